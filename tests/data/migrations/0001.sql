-- Made-up rows as an installation with this schema would hold them.
INSERT INTO blob VALUES
    ('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', x'1f8b0800000000000003030000000000000000', 1776211200000000);
