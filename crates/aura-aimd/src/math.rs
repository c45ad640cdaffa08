//! Square root and logarithm, which `core` lacks. Accurate to a few units in the last place; they
//! run once per window, so simplicity wins over speed and over a dependency.

/// Square root; 0 for anything that is not positive.
pub(crate) fn sqrt(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 || x.is_infinite() {
        return if x == f64::INFINITY { x } else { 0.0 };
    }
    // Halving the exponent gives a first guess within a factor of 1.5; Newton doubles the digits.
    let mut root = f64::from_bits((x.to_bits() >> 1) + (1023 << 51));
    for _ in 0..5 {
        root = 0.5 * (root + x / root);
    }
    root
}

/// Natural logarithm; the most negative finite number for anything that is not positive.
pub(crate) fn ln(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return f64::MIN;
    }
    // x = m·2^e with m in [0.75, 1.5), then the fast converging series of atanh.
    let mut exponent = ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    let mut mantissa = f64::from_bits((x.to_bits() & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa >= 1.5 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let mut power = t;
    let mut sum = 0.0;
    for k in 0..12 {
        sum += power / f64::from(2 * k + 1);
        power *= square;
    }
    2.0 * sum + f64::from(exponent) * core::f64::consts::LN_2
}

/// Logarithm to base 2.
pub(crate) fn log2(x: f64) -> f64 {
    ln(x) / core::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn agree_with_the_standard_library() {
        let mut x = 1e-12;
        while x < 1e15 {
            assert!((sqrt(x) / x.sqrt() - 1.0).abs() < 1e-12, "sqrt {x}");
            assert!((ln(x) - x.ln()).abs() < 1e-9 * x.ln().abs().max(1.0), "ln {x}");
            x *= 1.37;
        }
        assert_eq!((sqrt(0.0), sqrt(-1.0), sqrt(f64::NAN)), (0.0, 0.0, 0.0));
    }
}
