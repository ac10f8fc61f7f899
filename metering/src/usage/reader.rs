//! Reads the fields of a body or an event into a draft.

use super::{
    draft::Draft,
    fields::{List, Node, Slot},
    lexer::{Scalar, Sink},
};

/// Follows the objects that are read.
#[derive(Debug)]
pub(super) struct Reader {
    root: Node,
    /// The open ones, at most six.
    open: Vec<Node>,
    /// What the value of the last key is.
    slot: Slot,
    pub(super) draft: Draft,
}

impl Reader {
    /// Starts before a text that is a node of this kind.
    pub(super) fn new(root: Node) -> Self {
        Self { root, open: Vec::new(), slot: Slot::Nothing, draft: Draft::default() }
    }

    /// Starts with a new text.
    pub(super) fn reset(&mut self) {
        self.open.clear();
        self.draft = Draft::default();
    }

    /// Returns what the value at hand is.
    fn slot(&mut self) -> Slot {
        match self.open.last() {
            None => Slot::Object(self.root),
            Some(Node::List(list)) => {
                if *list == List::Choices {
                    self.draft.is_choices_empty = Some(false);
                }
                list.item()
            }
            Some(_) => self.slot,
        }
    }

    fn enter(&mut self, node: Node) {
        self.open.push(node);
        if let Node::Figures(owner) = node {
            self.draft.begin_figures(owner);
        }
        if node == Node::List(List::Choices) {
            self.draft.is_choices_empty = Some(true);
        }
    }

    /// Details that are no object make all figures doubtful.
    fn reject_details(&mut self, node: Node) {
        if let Node::Details(_, owner) = node {
            self.draft.reject(owner);
        }
    }
}

impl Sink for Reader {
    fn key(&mut self, key: &[u8]) -> bool {
        self.slot = self.open.last().map_or(Slot::Nothing, |node| node.slot(key));
        self.slot != Slot::Nothing
    }

    fn open(&mut self, is_object: bool) -> bool {
        match (self.slot(), is_object) {
            (Slot::Object(node), true) => {
                self.enter(node);
                return true;
            }
            (Slot::Array(list), false) => {
                self.enter(Node::List(list));
                return true;
            }
            (Slot::Figure(owner, _), _) => self.draft.reject(owner),
            (Slot::Object(node), false) => self.reject_details(node),
            (Slot::Duration, _) => self.draft.reject_duration(),
            (Slot::Array(_), true) | (Slot::Text(_) | Slot::Nothing, _) => {}
        }
        false
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Node::OutputItem) => self.draft.end_call(),
            Some(Node::Tool) => self.draft.end_tool(),
            _ => {}
        }
    }

    fn scalar(&mut self, scalar: Scalar<'_>) {
        match self.slot() {
            Slot::Figure(owner, figure) => self.draft.figure(owner, figure, scalar),
            Slot::Text(field) => self.draft.text(field, scalar),
            Slot::Duration => self.draft.duration(scalar),
            Slot::Object(node) if scalar != Scalar::Null => self.reject_details(node),
            Slot::Object(_) | Slot::Array(_) | Slot::Nothing => {}
        }
    }
}
