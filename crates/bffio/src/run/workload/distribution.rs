//! Random offsets that do not fall everywhere alike.

use super::permutation::Permutation;
use crate::job::{Distribution, Zone, ZoneSize};
use crate::layout::RandomBytes;

/// Draws numbers below a count.
#[derive(Clone, Debug)]
pub(super) struct Sampler {
    count: u64,
    shape: Shape,
    place: Place,
}

#[derive(Clone, Debug)]
enum Shape {
    Uniform,
    Zipf(Zipf),
    /// Exponent of a uniform number.
    Pareto(f64),
    /// Deviation in numbers.
    Normal(f64),
    /// Percent of accesses up to and with a zone, and where it begins and ends.
    Zoned(Vec<(u32, u64, u64)>),
}

/// Where the most popular numbers are.
#[derive(Clone, Debug)]
enum Place {
    /// Scattered all over.
    Scattered(Permutation),
    /// From here on, around the end.
    From(u64),
    /// Where the shape says.
    AsDrawn,
}

impl Sampler {
    /// Numbers below `count`, each standing for `unit_bytes`.
    pub(super) fn new(
        distribution: &Distribution,
        count: u64,
        unit_bytes: u64,
        random: &mut RandomBytes,
    ) -> Self {
        let mut place = |center: Option<f64>| match center {
            Some(center) => Place::From((center * count as f64) as u64 % count),
            None => Place::Scattered(Permutation::new(count, random)),
        };
        let (shape, place) = match distribution {
            Distribution::Uniform => (Shape::Uniform, Place::AsDrawn),
            Distribution::Zipf { theta, center } => {
                (Shape::Zipf(Zipf::new(count, *theta)), place(*center))
            }
            // fio's reading of the parameter: a share h of the blocks gets 1-h of the accesses.
            Distribution::Pareto { h, center } => {
                (Shape::Pareto(h.ln() / (1.0 - h).ln()), place(*center))
            }
            Distribution::Normal { deviation_percent, center } => {
                (Shape::Normal(deviation_percent / 100.0 * count as f64), place(*center))
            }
            Distribution::Zoned(zones) => {
                (Shape::Zoned(resolve(zones, count, unit_bytes)), Place::AsDrawn)
            }
        };
        Self { count, shape, place }
    }

    /// The next number.
    #[inline]
    pub(super) fn draw(&self, random: &mut RandomBytes) -> u64 {
        let drawn = match &self.shape {
            Shape::Uniform => return below(self.count, random),
            Shape::Zipf(zipf) => zipf.draw(random),
            Shape::Pareto(exponent) => {
                ((self.count - 1) as f64 * unit(random).powf(*exponent)) as u64
            }
            Shape::Normal(deviation) => {
                let distance = (normal(random) * deviation).round() as i64;
                distance.rem_euclid(self.count as i64) as u64
            }
            Shape::Zoned(zones) => draw_zoned(zones, self.count, random),
        };
        match &self.place {
            Place::Scattered(order) => order.at(drawn.min(self.count - 1)),
            Place::From(first) => (first + drawn) % self.count,
            Place::AsDrawn => drawn,
        }
    }
}

/// A number below `count`, all alike: the upper half of a product (Lemire 2019; the bias is below 2⁻⁶⁴
/// times the count, and not worth a second draw).
#[inline]
pub(super) fn below(count: u64, random: &mut RandomBytes) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(count)) >> 64) as u64
}

/// A number from 0 to 1, without 1.
pub(crate) fn unit(random: &mut RandomBytes) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number with mean 0 and deviation 1 (Box, Muller 1958).
fn normal(random: &mut RandomBytes) -> f64 {
    let radius = (-2.0 * (1.0 - unit(random)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(random)).cos()
}

fn resolve(zones: &[Zone], count: u64, unit_bytes: u64) -> Vec<(u32, u64, u64)> {
    let (mut access_percent, mut begin) = (0, 0);
    let mut resolved = Vec::with_capacity(zones.len());
    for zone in zones {
        let length = match zone.size {
            ZoneSize::Percent(percent) => count * u64::from(percent) / 100,
            ZoneSize::Bytes(bytes) => bytes / unit_bytes,
        };
        let end = (begin + length).min(count);
        access_percent += zone.access_percent;
        resolved.push((access_percent, begin, end));
        begin = end;
    }
    resolved
}

fn draw_zoned(zones: &[(u32, u64, u64)], count: u64, random: &mut RandomBytes) -> u64 {
    let percent = below(100, random) as u32;
    match zones.iter().find(|(access_percent, ..)| percent < *access_percent) {
        Some((_, begin, end)) if begin < end => begin + below(end - begin, random),
        // A zone without a block, or none for the rest of the accesses.
        _ => below(count, random),
    }
}

/// Zipf's distribution by rejection-inversion (Hörmann, Derflinger 1996), which needs no table.
#[derive(Clone, Copy, Debug)]
struct Zipf {
    count: f64,
    theta: f64,
    /// Integral of the density up to a half before the first, and up to the end of the last number.
    first: f64,
    last: f64,
    /// Numbers this close to the drawn point are accepted without another look.
    close: f64,
}

impl Zipf {
    fn new(count: u64, theta: f64) -> Self {
        let mut zipf = Self { count: count as f64, theta, first: 0.0, last: 0.0, close: 0.0 };
        zipf.first = zipf.integral(1.5) - 1.0;
        zipf.last = zipf.integral(zipf.count + 0.5);
        zipf.close = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.density(2.0));
        zipf
    }

    fn draw(&self, random: &mut RandomBytes) -> u64 {
        loop {
            let point = self.last + unit(random) * (self.first - self.last);
            let x = self.inverse(point);
            let rank = x.round().clamp(1.0, self.count);
            let accepted =
                rank - x <= self.close || point >= self.integral(rank + 0.5) - self.density(rank);
            if accepted {
                return rank as u64 - 1;
            }
        }
    }

    fn density(&self, x: f64) -> f64 {
        x.powf(-self.theta)
    }

    fn integral(&self, x: f64) -> f64 {
        let exponent = 1.0 - self.theta;
        if exponent.abs() < 1e-9 { x.ln() } else { (x.powf(exponent) - 1.0) / exponent }
    }

    fn inverse(&self, area: f64) -> f64 {
        let exponent = 1.0 - self.theta;
        if exponent.abs() < 1e-9 {
            area.exp()
        } else {
            (1.0 + area * exponent).max(0.0).powf(1.0 / exponent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u64 = 1000;
    const DRAWS: usize = 100_000;

    /// How often each number is drawn.
    fn draw(distribution: &Distribution) -> Vec<usize> {
        let mut random = RandomBytes::new(3);
        let sampler = Sampler::new(distribution, COUNT, 4096, &mut random);
        let mut counts = vec![0; COUNT as usize];
        (0..DRAWS).for_each(|_| counts[sampler.draw(&mut random) as usize] += 1);
        counts
    }

    #[test]
    fn zipf_follows_its_law() {
        for theta in [0.8_f64, 1.0, 1.2] {
            let counts = draw(&Distribution::Zipf { theta, center: Some(0.0) });
            let norm: f64 = (1..=COUNT).map(|rank| (rank as f64).powf(-theta)).sum();
            for rank in [1_usize, 2, 5, 10] {
                let expected = DRAWS as f64 * (rank as f64).powf(-theta) / norm;
                let error = (counts[rank - 1] as f64 - expected).abs() / expected.sqrt();
                assert!(error < 5.0, "theta {theta}, rank {rank}: {error} deviations off");
            }
        }
    }

    #[test]
    fn scattered_popularity_is_the_same_popularity() {
        let mut together = draw(&Distribution::Zipf { theta: 1.1, center: Some(0.0) });
        let mut scattered = draw(&Distribution::Zipf { theta: 1.1, center: None });
        assert!(scattered[0] < together[0], "the first block is not the favourite");
        together.sort_unstable();
        scattered.sort_unstable();
        let (top, other) = (together[999] as f64, scattered[999] as f64);
        assert!((top / other - 1.0).abs() < 0.05, "{top} and {other}");
    }

    #[test]
    fn pareto_gives_few_blocks_most_accesses() {
        let counts = draw(&Distribution::Pareto { h: 0.2, center: Some(0.0) });
        let few: usize = counts[..200].iter().sum();
        assert!((0.75..0.85).contains(&(few as f64 / DRAWS as f64)), "{few}");
    }

    #[test]
    fn normal_has_its_deviation() {
        let counts = draw(&Distribution::Normal { deviation_percent: 10.0, center: Some(0.5) });
        let near: usize = counts[400..=600].iter().sum();
        assert!((0.66..0.71).contains(&(near as f64 / DRAWS as f64)), "{near}");
    }

    #[test]
    fn zones_get_their_share() {
        let zone =
            |access_percent, percent| Zone { access_percent, size: ZoneSize::Percent(percent) };
        let counts = draw(&Distribution::Zoned(vec![zone(60, 10), zone(30, 20), zone(10, 70)]));
        let (first, second): (usize, usize) =
            (counts[..100].iter().sum(), counts[100..300].iter().sum());
        assert!((first as f64 / DRAWS as f64 - 0.6).abs() < 0.01, "{first}");
        assert!((second as f64 / DRAWS as f64 - 0.3).abs() < 0.01, "{second}");
    }

    #[test]
    fn uniform_is_everywhere() {
        assert!(draw(&Distribution::Uniform).into_iter().all(|count| count > 30));
    }
}
