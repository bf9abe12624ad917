//! Rounding of numbers for API responses: 8.65, not 8.649999999999999.

/// Rounds to nine decimals, which removes binary rounding errors from computed means and velocities.
pub fn nine_decimals(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

/// Rounds to four decimals. Numbers stored in single precision have seven significant digits; converting them to double
/// precision adds meaningless digits.
pub fn four_decimals(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_removes_digits_that_mean_nothing() {
        assert_eq!(nine_decimals(8.649_999_999_999_999), 8.65);
        assert_eq!(nine_decimals(-0.1 - 0.2), -0.3);
        assert_eq!(four_decimals(f64::from(7.3_f32)), 7.3);
        assert_eq!(four_decimals(0.0), 0.0);
    }
}
