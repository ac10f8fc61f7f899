//! A call as a list of numbers, for an engine in another process that runs the same version or the one before.
//!
//! ```text
//! call       = 1 LIMITS ZONE COMMAND                                          the form, then
//! LIMITS     = requests_per_minute concurrent_requests tokens_per_minute max_output_tokens metered
//!              day week month total                                           0: not set; amounts in pico-dollars
//! ZONE       = offset count (instant offset){count}                           seconds
//! COMMAND    = 1 ID want floor least tokens until process                     Reserve
//!            | 2 ID amount tokens                                             Settle
//! ID         = the first and the last 64 bits
//! ```
//!
//! The user and the details of a row are not in it.

use std::{num::NonZeroU32, sync::Arc};

use sparekey_policy::{Command, HoldId, Limits, Period, ProcessId, Reserve, Timestamp, Usd, Zone};

use crate::call::Call;

/// The form of this version.
const FORM: i64 = 1;
const RESERVE: i64 = 1;
const SETTLE: i64 = 2;

/// More transitions than a compiled time zone has.
const TRANSITIONS_MAX: i64 = 1_000;

impl Call {
    /// Returns the numbers of a reservation or a settle; `None` for another command, which is the owner's.
    #[must_use]
    pub fn to_numbers(&self) -> Option<Vec<i64>> {
        let Limits { zone, budgets, .. } = &*self.limits;
        let mut numbers = vec![FORM];
        numbers.extend(counts(&self.limits).map(|count| i64::from(count.map_or(0, NonZeroU32::get))));
        numbers.push(self.limits.metered.into());
        numbers.extend(Period::ALL.map(|period| budgets.get(period).unwrap_or_default().as_pico()));
        numbers.extend([zone.first_offset().into(), i64::try_from(zone.transitions().len()).ok()?]);
        numbers.extend(zone.transitions().iter().flat_map(|&(at, offset)| [at, offset.into()]));
        match self.command {
            Command::Reserve(Reserve { id, want, floor, least, tokens, until, process }) => {
                numbers.push(RESERVE);
                numbers.extend(halves(id));
                numbers.extend([want, floor, least].map(Usd::as_pico));
                numbers.extend([tokens.into(), until.as_micros(), process.0.cast_signed()]);
            }
            Command::Settle { id, amount, tokens } => {
                numbers.push(SETTLE);
                numbers.extend(halves(id));
                numbers.extend([amount.as_pico(), tokens.into()]);
            }
            Command::Adjust { .. } | Command::ProcessEnded(_) | Command::Report => return None,
        }
        Some(numbers)
    }

    /// Reads the numbers of a call. `None`: they are of another form.
    #[must_use]
    pub fn from_numbers(user: Arc<str>, numbers: &[i64]) -> Option<Self> {
        let mut numbers = numbers.iter().copied();
        let mut next = || numbers.next();
        if next()? != FORM {
            return None;
        }
        let mut limits = Limits::none(Arc::new(Zone::utc()));
        let mut count = || Some(NonZeroU32::new(u32::try_from(next()?).ok()?));
        limits.requests_per_minute = count()?;
        limits.concurrent_requests = count()?;
        limits.tokens_per_minute = count()?;
        limits.max_output_tokens = count()?;
        limits.metered = next()? != 0;
        for period in Period::ALL {
            let usd = Usd::from_pico(next()?);
            if usd > Usd::ZERO {
                limits.budgets.set(period, usd);
            }
        }
        let mut offset = || i32::try_from(next()?).ok();
        let first = offset()?;
        let count = next().filter(|count| (0..=TRANSITIONS_MAX).contains(count))?;
        let mut transition = || Some((next()?, i32::try_from(next()?).ok()?));
        let transitions = (0..count).map(|_| transition()).collect::<Option<_>>()?;
        limits.zone = Arc::new(Zone::new(String::new(), first, transitions).ok()?);
        let tag = next()?;
        let id = HoldId(u128::from(next()?.cast_unsigned()) << 64 | u128::from(next()?.cast_unsigned()));
        let mut usd = || next().map(Usd::from_pico);
        let command = match tag {
            RESERVE => {
                let [want, floor, least] = [usd()?, usd()?, usd()?];
                let tokens = u32::try_from(next()?).ok()?;
                let (until, process) = (Timestamp::from_micros(next()?), ProcessId(next()?.cast_unsigned()));
                Command::Reserve(Reserve { id, want, floor, least, tokens, until, process })
            }
            SETTLE => Command::Settle { id, amount: usd()?, tokens: u32::try_from(next()?).ok()? },
            _ => return None,
        };
        next().is_none().then(|| Self::new(user, Arc::new(limits), command))
    }
}

/// The limits that are counts.
fn counts(limits: &Limits) -> [Option<NonZeroU32>; 4] {
    let &Limits { requests_per_minute, concurrent_requests, tokens_per_minute, max_output_tokens, .. } = limits;
    [requests_per_minute, concurrent_requests, tokens_per_minute, max_output_tokens]
}

fn halves(id: HoldId) -> [i64; 2] {
    [id.0 >> 64, id.0 & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(0).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let zone = Zone::new(String::new(), 3_600, vec![(1_774_746_000, 7_200), (1_792_890_000, 3_600)]).unwrap();
        let mut limits = Limits::none(Arc::new(zone));
        limits.requests_per_minute = NonZeroU32::new(60);
        limits.concurrent_requests = NonZeroU32::new(8);
        limits.tokens_per_minute = NonZeroU32::new(u32::MAX);
        limits.max_output_tokens = NonZeroU32::new(4_096);
        limits.budgets.set(Period::Week, Usd::parse("9000000").unwrap());
        limits.metered = true;
        limits
    }

    fn commands() -> [Command; 2] {
        let id = HoldId(u128::MAX - 7);
        let usd = |text| Usd::parse(text).unwrap();
        let reserve = Reserve {
            id,
            want: usd("0.5"),
            floor: usd("0.4"),
            least: usd("0.3"),
            tokens: u32::MAX,
            until: Timestamp::MAX,
            process: ProcessId(u64::MAX),
        };
        [Command::Reserve(reserve), Command::Settle { id: HoldId(1), amount: usd("0.25"), tokens: 7 }]
    }

    #[test]
    fn round_trip() {
        for command in commands() {
            for limits in [limits(), Limits::none(Arc::new(Zone::new(String::new(), 0, vec![]).unwrap()))] {
                let call = Call::new("Tom".into(), Arc::new(limits), command);
                let numbers = call.to_numbers().unwrap();
                let read = Call::from_numbers("Tom".into(), &numbers).unwrap();
                assert_eq!((read.user, read.limits, read.command), (call.user, call.limits, call.command));
                for length in 0..numbers.len() {
                    assert!(Call::from_numbers("Tom".into(), &numbers[..length]).is_none(), "{length}");
                }
                let longer = [&numbers[..], &[0]].concat();
                assert!(Call::from_numbers("Tom".into(), &longer).is_none());
            }
        }
    }

    #[test]
    fn another_form() {
        let call = Call::new("Tom".into(), Arc::new(limits()), commands()[0]);
        let mut numbers = call.to_numbers().unwrap();
        numbers[0] = 2;
        assert!(Call::from_numbers("Tom".into(), &numbers).is_none());
        assert_eq!(Call { command: Command::Report, ..call }.to_numbers(), None);
    }
}
