//! Whole numbers with units, and sums of them: `64k`, `0x200`, `8*$mb_memory` after the variable was
//! replaced, `(4*1024)`.

/// A problem with a text, in words that complete "name=text: …".
pub(super) type Problem = String;

/// The value of `text`; `unit` gives the factor of a unit's name (in lower case).
pub(super) fn evaluate(text: &str, unit: &dyn Fn(&str) -> Option<i128>) -> Result<i128, Problem> {
    let mut reader = Reader { rest: text.trim(), whole: text, unit };
    let value = reader.sum()?;
    match reader.rest {
        "" => Ok(value),
        rest => Err(format!("{rest:?} is left over after a number")),
    }
}

/// What is still to be read of an expression.
struct Reader<'a> {
    rest: &'a str,
    whole: &'a str,
    unit: &'a dyn Fn(&str) -> Option<i128>,
}

impl<'a> Reader<'a> {
    fn sum(&mut self) -> Result<i128, Problem> {
        let mut value = self.product()?;
        while let Some(operator) = self.operator(&['+', '-']) {
            let other = self.product()?;
            let result =
                if operator == '+' { value.checked_add(other) } else { value.checked_sub(other) };
            value = result.ok_or_else(|| self.too_large())?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<i128, Problem> {
        let mut value = self.atom()?;
        while let Some(operator) = self.operator(&['*', '/']) {
            let other = self.atom()?;
            value = match operator {
                '*' => value.checked_mul(other).ok_or_else(|| self.too_large())?,
                _ => value.checked_div(other).ok_or_else(|| "division by zero".to_owned())?,
            };
        }
        Ok(value)
    }

    /// A number or something in parentheses, with its unit.
    fn atom(&mut self) -> Result<i128, Problem> {
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('-') {
            self.rest = rest;
            return Ok(-self.atom()?);
        }
        let value = match self.rest.strip_prefix('(') {
            Some(rest) => {
                self.rest = rest;
                let value = self.sum()?;
                self.rest = self.rest.trim_start().strip_prefix(')').ok_or("a \")\" is missing")?;
                value
            }
            None => self.number()?,
        };
        let unit = self.take(|character| character.is_ascii_alphabetic());
        if unit.is_empty() {
            return Ok(value);
        }
        let factor = (self.unit)(&unit.to_ascii_lowercase())
            .ok_or_else(|| format!("{unit:?} is not a unit"))?;
        value.checked_mul(factor).ok_or_else(|| self.too_large())
    }

    fn number(&mut self) -> Result<i128, Problem> {
        let (digits, radix) =
            match self.rest.strip_prefix("0x").or_else(|| self.rest.strip_prefix("0X")) {
                Some(rest) => {
                    self.rest = rest;
                    (self.take(|character| character.is_ascii_hexdigit()), 16)
                }
                None => (self.take(|character| character.is_ascii_digit()), 10),
            };
        if digits.is_empty() {
            return Err("a number is missing".to_owned());
        }
        if self.rest.starts_with('.') {
            return Err(
                "numbers are whole here; write a smaller unit, such as 1536m for 1.5g".to_owned()
            );
        }
        i128::from_str_radix(digits, radix).map_err(|_| self.too_large())
    }

    fn operator(&mut self, which: &[char]) -> Option<char> {
        let rest = self.rest.trim_start();
        let operator = rest.chars().next().filter(|character| which.contains(character))?;
        self.rest = &rest[1..]; // operators are ASCII
        Some(operator)
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|character| !belongs(character)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn too_large(&self) -> Problem {
        format!("{:?} is too large", self.whole.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::evaluate;

    fn value(text: &str) -> Result<i128, String> {
        evaluate(text, &|unit| (unit == "k").then_some(1024))
    }

    #[test]
    fn products_bind_stronger_than_sums() {
        assert_eq!(value("1+2*3"), Ok(7));
        assert_eq!(value("(1+2)*3"), Ok(9));
        assert_eq!(value(" 8 * 1k - 0x10 "), Ok(8176));
        assert_eq!(value("(2*2)k"), Ok(4096));
        assert_eq!(value("-3"), Ok(-3));
    }

    #[test]
    fn what_is_no_number_is_named() {
        assert!(value("4q").unwrap_err().contains("\"q\" is not a unit"));
        assert!(value("1.5k").unwrap_err().contains("whole"));
        assert!(value("").unwrap_err().contains("missing"));
        assert!(value("4 5").unwrap_err().contains("left over"));
        assert!(value("1/0").unwrap_err().contains("zero"));
        assert!(value("(1").unwrap_err().contains("missing"));
        assert!(value(&"9".repeat(50)).unwrap_err().contains("too large"));
    }
}
