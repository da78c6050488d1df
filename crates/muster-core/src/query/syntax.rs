//! The query as it was written: tokens are words yet, values are text yet.

/// A part of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Leaf(Leaf),
    /// `token:( … )`: the token is a prefix of those inside; of a list, all that is inside holds for the same element.
    Inner {
        token: Word,
        inner: Box<Node>,
    },
    Free(Literal),
}

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) column: usize,
}

/// `token operator operand`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) token: Word,
    pub(super) operator: Operator,
    pub(super) operator_column: usize,
    pub(super) operand: Operand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Has,
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Operator {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Has => ":",
            Self::Equal => "=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }

    pub(super) fn compares(self) -> bool {
        !matches!(self, Self::Has | Self::Equal)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    /// `is null`
    Null,
    /// `is not null`
    NotNull,
    One(Literal),
    List(Vec<Literal>),
    Range {
        from: Literal,
        to: Literal,
        inclusive: bool,
    },
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) text: String,
    pub(super) style: Style,
    pub(super) column: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Without quotation marks.
    Bare,
    /// `"…"`: contains.
    Double,
    /// `'…'` or backticks: exactly.
    Exact,
}
