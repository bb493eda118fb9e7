INSERT INTO guard_confirmation (id, distribution, channel, changes, at, by, reason) VALUES
    (1, 'r-multiverse', 'staging', '[{"appeared":"license"}]', 1776211200000000, 'ada', 'the list of licences was corrected');
