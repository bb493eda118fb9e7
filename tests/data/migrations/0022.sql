INSERT INTO kept_file VALUES
    ('d', 'staging', 'pkg', '1.0.0', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'src/contrib/pkg_1.0.0.tar.gz',
     'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 120, 1776211200000000, NULL),
    ('d', 'staging', 'pkg', '0.9.0', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'src/contrib/pkg_0.9.0.tar.gz',
     'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 110, 1776211200000000, 1776297600000000);
