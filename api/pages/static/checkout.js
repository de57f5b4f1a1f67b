// Keeps the cash desk up to date. Everything on it works without this file, only less quickly.
"use strict";

const POLL_EVERY = 3000;
const BACK_AFTER = 6000;

const desk = () => document.querySelector("main");
let polling = null;
let stream = null;

// The page as it is now replaces what is shown; the new heading is read out.
async function refresh() {
  const answer = await fetch(desk().dataset.path, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.querySelector("main");
  if (!next || next.dataset.version === desk().dataset.version && next.dataset.state === desk().dataset.state) return;
  desk().replaceWith(document.adoptNode(next));
  document.title = page.title;
  document.getElementById("news").textContent = next.querySelector("h1")?.textContent ?? "";
  showTime();
  settle();
}

// Local time, and a countdown in the last hour.
function showTime() {
  const until = document.querySelector("[data-until]");
  if (!until) return;
  const left = Math.round((new Date(until.dateTime) - Date.now()) / 1000);
  if (left > 3600) until.textContent = new Date(until.dateTime).toLocaleString(document.documentElement.lang);
  else if (left >= 0) until.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

function listen() {
  const { path, version } = desk().dataset;
  stream = new EventSource(`${path}/events?version=${version}`);
  stream.addEventListener("move", () => refresh().catch(() => poll(POLL_EVERY)));
  stream.onerror = () => { if (stream.readyState === EventSource.CLOSED) poll(POLL_EVERY); };
  // A proxy that swallows streams says nothing at all: ask anyway, rarely.
  stream.onopen = () => poll(POLL_EVERY * 5);
}

function poll(every) {
  clearInterval(polling);
  polling = setInterval(ask, every);
}

async function ask() {
  try {
    const answer = await fetch(`${desk().dataset.path}/state`);
    if (answer.status === 410) return location.reload();
    const now = await answer.json();
    if (String(now.version) !== desk().dataset.version || now.state !== desk().dataset.state) await refresh();
  } catch { /* the next question comes by itself */ }
}

// At the end nothing changes any more, and the payer goes back by themselves or with us.
function settle() {
  if (!("over" in desk().dataset)) return;
  stream?.close();
  clearInterval(polling);
  const back = document.querySelector("[data-action=return]");
  if (back && ["paid", "held"].includes(desk().dataset.state)) setTimeout(() => location.assign(back.href), BACK_AFTER);
}

// A second click would say the same again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
// A page from the browser's memory shows what was, not what is.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

if (desk().dataset.path) {
  showTime();
  setInterval(showTime, 1000);
  if ("over" in desk().dataset) settle();
  else { if ("EventSource" in window) listen(); poll(POLL_EVERY); }
}
