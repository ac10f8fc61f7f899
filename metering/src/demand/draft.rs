//! A body that is being read.

use std::borrow::Cow;

use sparekey_policy::{Demand, Endpoint, Facts, Stream};

use super::{
    fields::{FORM, Scope},
    places::Places,
};
use crate::param::Param;

/// A body that was read.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) facts: Facts,
    pub(crate) demand: Demand,
    pub(crate) places: Places,
}

/// What was read until now.
pub(super) struct Draft {
    pub(super) facts: Facts,
    pub(super) demand: Demand,
    pub(super) places: Places,
    /// Bytes of pictures, which are not text.
    pub(super) picture_bytes: usize,
    /// `stream_options.include_usage`, which can stand before `stream`.
    pub(super) asks_usage: bool,
    pub(super) n: u64,
    pub(super) best_of: u64,
    pub(super) prompts: u64,
}

impl Draft {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let mut demand = Demand::new(endpoint);
        if Scope::Audio.includes(endpoint) {
            demand.refuse(Cow::Borrowed("file"), FORM);
        }
        Self {
            facts: Facts::default(),
            demand,
            places: Places::default(),
            picture_bytes: 0,
            asks_usage: false,
            n: 1,
            best_of: 1,
            prompts: 1,
        }
    }

    pub(super) fn finish(mut self, length: usize) -> Body {
        self.demand.text_bytes = length.saturating_sub(self.picture_bytes).try_into().unwrap_or(u64::MAX);
        if self.asks_usage && self.demand.stream == Stream::Yes {
            self.demand.stream = Stream::WithUsage;
        }
        self.demand.choices = self.n.max(self.best_of).saturating_mul(self.prompts);
        Body { facts: self.facts, demand: self.demand, places: self.places }
    }

    /// Records an option without a bound.
    pub(super) fn refuse(&mut self, param: Param<'_>, advice: &'static str) {
        // A body can have millions; the path of the first one is enough.
        if self.demand.extras().refused.is_none() {
            self.demand.refuse(param.to_text(), advice);
        }
    }

    /// Records an option without a bound, if there is an advice.
    pub(super) fn refuse_if(&mut self, param: Param<'_>, advice: Option<&'static str>) {
        if let Some(advice) = advice {
            self.refuse(param, advice);
        }
    }

    /// Records a field that adds input which is not in the body.
    pub(super) fn hide_input(&mut self, param: Param<'_>) {
        if self.demand.extras().hidden_input.is_none() {
            self.demand.hide_input(param.to_text());
        }
    }

    pub(super) fn add_picture(&mut self, patches: u64) {
        let pictures = &mut self.demand.extras_mut().pictures;
        pictures.count = pictures.count.saturating_add(1);
        pictures.patches = pictures.patches.saturating_add(patches);
    }
}
