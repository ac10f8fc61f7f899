//! The path of a field in a body, for `error.param`.

use std::{borrow::Cow, fmt};

/// A field of a JSON body, such as `tools[0].model`. It has names of our own tables only, nothing of the body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Param<'p> {
    /// The body itself.
    Root,
    Field(&'p Param<'p>, &'static str),
    Item(&'p Param<'p>, usize),
}

impl Param<'_> {
    /// Writes the path. A field of the body itself needs no allocation.
    pub(crate) fn to_text(self) -> Cow<'static, str> {
        match self {
            Self::Root => Cow::Borrowed(""),
            Self::Field(Self::Root, name) => Cow::Borrowed(name),
            Self::Field(..) | Self::Item(..) => Cow::Owned(self.to_string()),
        }
    }
}

impl fmt::Display for Param<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let tools = Param::Field(&Param::Root, "tools");
        let tool = Param::Item(&tools, 10);
        assert_eq!(Param::Field(&tool, "model").to_text(), "tools[10].model");
        assert_eq!(Param::Item(&Param::Field(&tool, "tools"), 0).to_text(), "tools[10].tools[0]");
        assert_eq!(tools.to_text(), "tools");
        assert_eq!(Param::Root.to_text(), "");
    }
}
