-- Indexes for what the console looks for.

-- The health of a channel account: the last callback that verified, and those that did not.
CREATE INDEX callback_newest_of_an_account ON callback (account_id, received_at DESC);
CREATE INDEX rejected_callback_newest_of_an_account
    ON rejected_callback (account_id, received_at DESC);
-- Events of all apps, and discrepancies of one payment.
CREATE INDEX notification_newest ON notification (created_at DESC, id DESC);
CREATE INDEX discrepancy_of_a_payment ON discrepancy (payment_id, created_at DESC, id DESC)
    WHERE payment_id IS NOT NULL;
-- Discrepancies, all or of one status, the last found first.
CREATE INDEX discrepancy_last_found ON discrepancy (created_at DESC, id DESC);
CREATE INDEX discrepancy_last_found_of_a_status
    ON discrepancy (status, created_at DESC, id DESC);

-- A payment by a number that is not ours.
CREATE INDEX payment_by_order_no ON payment (order_no);
CREATE INDEX attempt_by_channel_reference ON attempt (channel_reference)
    WHERE channel_reference IS NOT NULL;
-- Pages of what is narrowed down. Most payments succeed, so for those the newest ones will do.
CREATE INDEX payment_newest_of_a_merchant ON payment (merchant_id, created_at DESC, id DESC);
CREATE INDEX payment_newest_of_a_status ON payment (status, created_at DESC, id DESC)
    WHERE status <> 'succeeded';
-- What waits for somebody.
CREATE INDEX payment_unknown ON payment (updated_at, id)
    WHERE attempt_status = 'unknown' AND status NOT IN
        ('succeeded', 'partially_captured', 'failed', 'canceled', 'expired', 'review');
CREATE INDEX payment_in_review ON payment (updated_at, id) WHERE status = 'review';
CREATE INDEX payment_paid_late ON payment (updated_at, id)
    WHERE captured_minor IS NOT NULL AND late_success = 'ask'
        AND status IN ('failed', 'canceled', 'expired');
CREATE INDEX rejected_callback_oldest ON rejected_callback (received_at, id);
