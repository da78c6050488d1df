//! A value: a node, and the scope that it is read in.

use std::rc::Rc;

use crate::node::Node;
use crate::package::FileId;
use crate::raml::template::Bindings;

#[derive(Clone, Debug)]
pub(super) struct Value<'t> {
    pub(super) node: &'t Node<'t>,
    pub(super) scope: Scope<'t>,
}

/// What a node means depends on where it stands and what it is used for.
#[derive(Clone, Debug)]
pub(super) struct Scope<'t> {
    /// The file that it stands in: includes start there.
    pub(super) file: FileId,
    /// Whose libraries and declarations its names are.
    pub(super) names: Rc<Names>,
    /// What parameters stand for, inside a resource type or trait that is used.
    pub(super) bindings: Option<Rc<Bindings<'t>>>,
    /// The files that are being included.
    pub(super) including: Option<Rc<Including>>,
}

/// A file whose names hold; a typed fragment has its own, and those of the file that includes it where it has none.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) file: FileId,
    pub(super) outer: Option<Rc<Names>>,
}

#[derive(Debug)]
pub(super) struct Including {
    pub(super) file: FileId,
    pub(super) depth: usize,
    pub(super) by: Option<Rc<Including>>,
}

impl Including {
    pub(super) fn holds(mut chain: &Option<Rc<Self>>, file: FileId) -> bool {
        while let Some(link) = chain {
            if link.file == file {
                return true;
            }
            chain = &link.by;
        }
        false
    }
}

impl<'t> Value<'t> {
    pub(super) fn with_bindings(mut self, bindings: Bindings<'t>) -> Self {
        self.scope.bindings = Some(Rc::new(bindings));
        self
    }
}
