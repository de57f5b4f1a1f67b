"use strict";
// A day that is being compared: look every few seconds, and show the page anew once it says more.
(() => {
  const seen = document.querySelector("[data-watch]");
  if (!seen) return;
  const EVERY_MS = 3000;
  const look = async () => {
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.querySelector("[data-watch]");
      if (!now || now.dataset.watch !== seen.dataset.watch) {
        location.reload();
        return;
      }
    } catch {
      // The next look may succeed.
    }
    setTimeout(look, EVERY_MS);
  };
  setTimeout(look, EVERY_MS);
})();

// A month is wider than a phone: begin where today is.
(() => {
  const today = document.querySelector(".calendar .today");
  const around = today?.closest(".scroll");
  if (around) around.scrollLeft = today.offsetLeft - around.clientWidth + 2 * today.offsetWidth;
})();
