//! The epochs of QIIME 2's distributions: text, never numbers, since 2024.10 is not 2024.1.

/// True for a year of four digits and a month without a leading zero, such as `2024.10`.
pub fn is_epoch(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.starts_with('0');
    text.split_once('.').is_some_and(|(year, month)| {
        let in_year = month.parse().is_ok_and(|month: u8| (1..=12).contains(&month));
        year.len() == 4 && digits(year) && digits(month) && in_year
    })
}
