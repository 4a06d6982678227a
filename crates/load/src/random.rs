//! The random numbers that the TSBS generator draws, so that the same seed gives the same rows.
//!
//! Responsible for one stream: an additive lagged Fibonacci generator (lags 607 and 273, modulo 2^64),
//! its seeding, and what is drawn from it: whole numbers below a bound, floats, and normal
//! numbers by the ziggurat of Marsaglia and Tsang ("The Ziggurat Method for Generating Random Variables",
//! 2000). No table stands here: the 607 words that whiten a seed are the state of the same generator,
//! seeded with 1, after 7.8e12 steps, and those are jumped over by powers of its characteristic polynomial.
//!
//! `tests.rs` compares the stream with published numbers, `generate` the rows with published sums.

use std::sync::LazyLock;

/// Longer lag, and words of state.
const WORDS: usize = 607;
/// Shorter lag.
const TAP: usize = 273;
/// Steps between seeding with 1 and the words that whiten other seeds.
const WHITENING_STEPS: u64 = 7_800_000_000_000;
/// Where the tail of the normal distribution begins, with 128 layers.
const TAIL: f64 = 3.442_619_855_899;
/// Area of a layer.
const LAYER: f64 = 9.912_563_035_262_17e-3;

static WHITENING: LazyLock<[u64; WORDS]> = LazyLock::new(whitening);
static ZIGGURAT: LazyLock<Ziggurat> = LazyLock::new(Ziggurat::new);

/// The stream.
pub struct Random {
    words: [u64; WORDS],
    tap: usize,
    feed: usize,
    ziggurat: &'static Ziggurat,
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: i64) -> Random {
        let mut words = seeded(seed, [40, 20]);
        words.iter_mut().zip(&*WHITENING).for_each(|(word, white)| *word ^= white);
        Random { words, tap: 0, feed: WORDS - TAP, ziggurat: &ZIGGURAT }
    }

    fn bits63(&mut self) -> u64 {
        let before = |at: usize| if at == 0 { WORDS - 1 } else { at - 1 };
        (self.tap, self.feed) = (before(self.tap), before(self.feed));
        let word = self.words[self.feed].wrapping_add(self.words[self.tap]);
        self.words[self.feed] = word;
        word & (u64::MAX >> 1)
    }

    /// A whole number from 0 up to but without `bound` (1 to 2^31 - 1), out of 31 bits.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.rejecting(u64::from(bound), 31, |random| random.bits63() >> 32) as u32
    }

    /// A whole number from 0 up to but without `bound` (1 to 2^63 - 1), out of 63 bits.
    pub fn below_wide(&mut self, bound: u64) -> u64 {
        self.rejecting(bound, 63, Random::bits63)
    }

    /// Draws until the number falls into a whole multiple of `bound`.
    fn rejecting(&mut self, bound: u64, bits: u32, draw: fn(&mut Random) -> u64) -> u64 {
        if bound.is_power_of_two() {
            return draw(self) & (bound - 1);
        }
        let most = (1 << bits) - 1 - (1 << bits) % bound;
        loop {
            let number = draw(self);
            if number <= most {
                return number % bound;
            }
        }
    }

    /// A float from 0 up to but without 1.
    pub fn float(&mut self) -> f64 {
        loop {
            let float = self.bits63() as f64 / (1u64 << 63) as f64;
            if float < 1.0 {
                return float;
            }
        }
    }

    /// A normal number, mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        let ziggurat = self.ziggurat;
        loop {
            let number = (self.bits63() >> 31) as u32 as i32;
            let layer = (number & 0x7f) as usize;
            let x = f64::from(number) * f64::from(ziggurat.width[layer]);
            if number.unsigned_abs() < ziggurat.inside[layer] {
                return x;
            }
            if layer == 0 {
                return self.tail(number);
            }
            let [outer, inner] = [ziggurat.height[layer], ziggurat.height[layer - 1]];
            if outer + self.float() as f32 * (inner - outer) < (-0.5 * x * x).exp() as f32 {
                return x;
            }
        }
    }

    fn tail(&mut self, number: i32) -> f64 {
        loop {
            let x = -self.float().ln() * (1.0 / TAIL);
            let y = -self.float().ln();
            if y + y >= x * x {
                return if number > 0 { TAIL + x } else { -TAIL - x };
            }
        }
    }
}

/// The layers under the normal curve, for numbers of 31 bits and a sign.
struct Ziggurat {
    /// Numbers below are inside the curve without another look.
    inside: [u32; 128],
    /// Width of a layer for each unit of the number.
    width: [f32; 128],
    /// Height of the curve at the edge of a layer.
    height: [f32; 128],
}

impl Ziggurat {
    fn new() -> Ziggurat {
        let unit = (1u64 << 31) as f64;
        let curve = |x: f64| (-0.5 * x * x).exp();
        let (mut inside, mut width, mut height) = ([0; 128], [0.0; 128], [0.0; 128]);
        let (mut edge, mut outer) = (TAIL, TAIL);
        let base = LAYER / curve(edge);
        inside[0] = (edge / base * unit) as u32;
        (width[0], width[127]) = ((base / unit) as f32, (edge / unit) as f32);
        (height[0], height[127]) = (1.0, curve(edge) as f32);
        for layer in (1..127).rev() {
            edge = (-2.0 * (LAYER / edge + curve(edge)).ln()).sqrt();
            inside[layer + 1] = (edge / outer * unit) as u32;
            outer = edge;
            height[layer] = curve(edge) as f32;
            width[layer] = (edge / unit) as f32;
        }
        Ziggurat { inside, width, height }
    }
}

/// State words from a minimal-standard congruential generator; three numbers make a word, two of them
/// shifted.
fn seeded(seed: i64, shifts: [u32; 2]) -> [u64; WORDS] {
    const MODULUS: i64 = (1 << 31) - 1;
    let mut number = match seed.rem_euclid(MODULUS) {
        0 => 89_482_311,
        number => number,
    };
    let mut next = || {
        number = number * 48_271 % MODULUS;
        number as u64
    };
    (0..20).for_each(|_| {
        next();
    });
    std::array::from_fn(|_| next() << shifts[0] ^ next() << shifts[1] ^ next())
}

/// The state, seeded with 1, after [`WHITENING_STEPS`] steps.
///
/// Numbered by time, oldest first, the stream is x[n] = x[n - 607] + x[n - 273]. So with
/// p(t) = t^steps modulo t^607 - t^334 - 1 = sum of p[i] t^i, x[steps + j] = sum of p[i] x[i + j].
fn whitening() -> [u64; WORDS] {
    let words = seeded(1, [20, 10]);
    // The step that reads the word at `WORDS - TAP - 1` comes first, the one before it second.
    let place = |number: usize| (2 * WORDS - TAP - 1 - number % WORDS) % WORDS;
    let mut stream: Vec<u64> = (0..WORDS).map(|number| words[place(number)]).collect();
    for number in WORDS..2 * WORDS {
        stream.push(stream[number - WORDS].wrapping_add(stream[number - TAP]));
    }
    let power = power_of_t(WHITENING_STEPS);
    let mut after = [0u64; WORDS];
    for number in 0..WORDS {
        let terms = power.iter().zip(&stream[number..]);
        let word = terms.fold(0u64, |sum, (p, x)| sum.wrapping_add(p.wrapping_mul(*x)));
        after[place(number + (WHITENING_STEPS % WORDS as u64) as usize)] = word;
    }
    after
}

/// t^`exponent` modulo t^607 - t^334 - 1, coefficients modulo 2^64.
fn power_of_t(exponent: u64) -> [u64; WORDS] {
    let mut power = [0u64; WORDS];
    power[0] = 1;
    for bit in (0..64 - exponent.leading_zeros()).rev() {
        let mut square = vec![0u64; 2 * WORDS];
        let shift = (exponent >> bit & 1) as usize;
        for (i, a) in power.iter().enumerate() {
            for (j, b) in power.iter().enumerate() {
                let at = i + j + shift;
                square[at] = square[at].wrapping_add(a.wrapping_mul(*b));
            }
        }
        for at in (WORDS..2 * WORDS).rev() {
            let high = square[at];
            square[at - TAP] = square[at - TAP].wrapping_add(high);
            square[at - WORDS] = square[at - WORDS].wrapping_add(high);
        }
        power.copy_from_slice(&square[..WORDS]);
    }
    power
}
