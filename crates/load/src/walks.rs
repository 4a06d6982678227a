//! The two small shapes: sensors whose values walk at random, and trades.

use crate::cpu::Workload;
use crate::random::Random;
use crate::rows::{FIELDS_MAX, Field, Kind, Layout, Row};

/// One tag, a float and an integer.
pub const SMALL: Layout = Layout {
    table: "sensors",
    tags: &["sensor"],
    fields: &[
        Field { name: "temperature", kind: Kind::Hundredths },
        Field { name: "humidity", kind: Kind::Integer },
    ],
};

/// Symbol, price and volume.
pub const TRADES: Layout = Layout {
    table: "trades",
    tags: &["symbol"],
    fields: &[
        Field { name: "price", kind: Kind::Hundredths },
        Field { name: "volume", kind: Kind::Integer },
    ],
};

/// Time between two groups of trades: a millisecond.
const TRADES_STEP_NS: i64 = 1_000_000;
/// Trades that share a time.
const TRADES_TOGETHER: usize = 10;
/// A lot: most trades are a whole number of them.
const LOT: u32 = 100;

/// Sensors, one row of each at every time.
pub(crate) struct Walks {
    values: Vec<[i32; 2]>,
    random: Random,
    sensor: usize,
    time: i64,
    step_ns: i64,
}

impl Walks {
    pub fn new(workload: Workload) -> Walks {
        let mut random = Random::new(workload.seed);
        let value = |_| [random.below(4_000) as i32, random.below(101) as i32];
        let values = (0..workload.hosts).map(value).collect();
        let Workload { start_ns: time, step_ns, .. } = workload;
        Walks { values, random, sensor: 0, time, step_ns }
    }

    pub fn row(&mut self) -> Row {
        let [temperature, humidity] = &mut self.values[self.sensor];
        *temperature = (*temperature + self.random.below(41) as i32 - 20).clamp(-2_000, 5_000);
        *humidity = (*humidity + self.random.below(3) as i32 - 1).clamp(0, 100);
        let row = row(self.time, self.sensor, [*temperature, *humidity]);
        self.sensor += 1;
        if self.sensor == self.values.len() {
            (self.sensor, self.time) = (0, self.time + self.step_ns);
        }
        row
    }

    pub fn next_time(&self) -> i64 {
        if self.sensor == 0 { self.time } else { self.time + self.step_ns }
    }
}

/// Trades, ten every millisecond (fewer where there are fewer symbols), each of another symbol.
pub(crate) struct Trades {
    prices: Vec<i32>,
    random: Random,
    /// Symbols that have a trade at this time.
    together: Vec<usize>,
    time: i64,
}

impl Trades {
    pub fn new(workload: Workload) -> Trades {
        let mut random = Random::new(workload.seed);
        let prices = (0..workload.hosts).map(|_| 1_000 + random.below(49_000) as i32).collect();
        Trades { prices, random, together: Vec::new(), time: workload.start_ns }
    }

    pub fn row(&mut self) -> Row {
        let symbols = self.prices.len();
        let mut symbol = self.random.below(symbols as u32) as usize;
        while self.together.contains(&symbol) {
            symbol = (symbol + 1) % symbols;
        }
        let price = &mut self.prices[symbol];
        *price = (*price + self.random.below(11) as i32 - 5).max(100);
        let volume = (1 + self.random.below(50)) * LOT;
        let row = row(self.time, symbol, [*price, volume as i32]);
        self.together.push(symbol);
        if self.together.len() == TRADES_TOGETHER.min(symbols) {
            self.together.clear();
            self.time += TRADES_STEP_NS;
        }
        row
    }

    pub fn next_time(&self) -> i64 {
        if self.together.is_empty() { self.time } else { self.time + TRADES_STEP_NS }
    }
}

/// Three letters, then as many as it takes: `AAA`, `AAB`, …
pub(crate) fn symbol(mut number: usize) -> String {
    let mut letters = Vec::new();
    while letters.len() < 3 || number > 0 {
        letters.push(char::from(b'A' + (number % 26) as u8));
        number /= 26;
    }
    letters.into_iter().rev().collect()
}

fn row(time: i64, series: usize, [first, second]: [i32; 2]) -> Row {
    let mut values = [0; FIELDS_MAX];
    values[..2].copy_from_slice(&[first, second]);
    Row { time, series: series as u32, values }
}
