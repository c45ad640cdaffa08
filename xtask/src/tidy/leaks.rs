//! No type of a lower crate leaks through the public interface of `aura`.
//!
//! Read from the sources, item by item: paths that name a lower crate, and names imported from one,
//! must not occur in anything public. What is hidden by `#[doc(hidden)]` is no interface.

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, ItemMod, ItemUse, UseTree, Visibility};

use super::Finding;

/// The crates whose names must stay inside.
const INSIDE: [&str; 6] =
    ["aura_engine", "aura_ring", "aura_aimd", "aura_bufpool", "aura_histogram", "aura_metrics"];

/// Checks the files of the facade, given as path and tree.
pub(super) fn check(files: &[(&str, &syn::File)]) -> Vec<Finding> {
    let mut public_types = BTreeSet::new();
    for (_, tree) in files {
        collect_public_types(&tree.items, &mut public_types);
    }
    let mut findings = Vec::new();
    for (path, tree) in files {
        let mut imported = BTreeSet::new();
        collect_imports(&tree.items, &mut imported);
        let mut leaks = Leaks { path, imported, public_types: &public_types, findings: Vec::new() };
        leaks.items(&tree.items);
        findings.append(&mut leaks.findings);
    }
    findings
}

fn is_inside(name: &str) -> bool {
    INSIDE.contains(&name)
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Whether the item is no part of the interface whatever its visibility.
fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.meta.to_token_stream().to_string().replace(' ', "");
        text == "cfg(test)" || text == "doc(hidden)"
    })
}

fn collect_public_types(items: &[Item], names: &mut BTreeSet<String>) {
    for item in items {
        let (visibility, name) = match item {
            Item::Struct(item) => (&item.vis, &item.ident),
            Item::Enum(item) => (&item.vis, &item.ident),
            Item::Union(item) => (&item.vis, &item.ident),
            Item::Mod(item) => {
                collect_public_types(contents(item), names);
                continue;
            }
            _ => continue,
        };
        if is_public(visibility) {
            names.insert(name.to_string());
        }
    }
}

/// The items of a module written in place; none for one in a file of its own.
fn contents(module: &ItemMod) -> &[Item] {
    module.content.as_ref().map_or(&[], |(_, items)| items)
}

/// The names that a file's `use` lines take from the lower crates.
fn collect_imports(items: &[Item], names: &mut BTreeSet<String>) {
    for item in items {
        match item {
            Item::Use(item) if is_inside(&root_of(&item.tree)) => bound_names(&item.tree, names),
            Item::Mod(item) => collect_imports(contents(item), names),
            _ => {}
        }
    }
}

/// The first name of a `use` tree; empty for a group.
fn root_of(tree: &UseTree) -> String {
    match tree {
        UseTree::Path(path) => path.ident.to_string(),
        UseTree::Name(name) => name.ident.to_string(),
        UseTree::Rename(rename) => rename.ident.to_string(),
        UseTree::Glob(_) | UseTree::Group(_) => String::new(),
    }
}

fn bound_names(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => bound_names(&path.tree, names),
        UseTree::Group(group) => group.items.iter().for_each(|tree| bound_names(tree, names)),
        UseTree::Name(name) => {
            names.insert(name.ident.to_string());
        }
        UseTree::Rename(rename) => {
            names.insert(rename.rename.to_string());
        }
        UseTree::Glob(_) => {
            names.insert("*".into());
        }
    }
}

struct Leaks<'a> {
    path: &'a str,
    imported: BTreeSet<String>,
    public_types: &'a BTreeSet<String>,
    findings: Vec<Finding>,
}

impl Leaks<'_> {
    fn items(&mut self, items: &[Item]) {
        if self.imported.remove("*") {
            let what = "a glob import of a lower crate hides what becomes public; name the items";
            self.findings.push(Finding::new(self.path, 0, what));
        }
        for item in items {
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Use(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                self.reexport(item)
            }
            Item::Fn(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                self.visit_signature(&item.sig);
            }
            Item::Struct(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                self.visit_generics(&item.generics);
                self.public_fields(&item.fields);
            }
            Item::Enum(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                self.visit_item_enum(item);
            }
            Item::Type(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                self.visit_item_type(item);
            }
            Item::Const(item) if is_public(&item.vis) => self.visit_type(&item.ty),
            Item::Static(item) if is_public(&item.vis) => self.visit_type(&item.ty),
            Item::Trait(item) if is_public(&item.vis) && !is_hidden(&item.attrs) => {
                self.visit_item_trait(item);
            }
            Item::Impl(item) if !is_hidden(&item.attrs) => self.implementation(item),
            Item::Mod(item) if !is_hidden(&item.attrs) => {
                contents(item).iter().for_each(|item| self.item(item));
            }
            _ => {}
        }
    }

    fn reexport(&mut self, item: &ItemUse) {
        let root = root_of(&item.tree);
        if is_inside(&root) || self.imported.contains(&root) {
            self.found(&root, item.span().start().line);
        }
    }

    fn public_fields(&mut self, fields: &Fields) {
        for field in fields.iter().filter(|field| is_public(&field.vis)) {
            self.visit_type(&field.ty);
        }
    }

    fn implementation(&mut self, item: &ItemImpl) {
        let subject = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        if !subject.is_some_and(|name| self.public_types.contains(&name)) {
            return;
        }
        self.visit_generics(&item.generics);
        let is_trait = item.trait_.is_some();
        if let Some(path) = &item.trait_ {
            self.visit_path(&path.0);
        }
        for member in &item.items {
            match member {
                ImplItem::Fn(member)
                    if (is_trait || is_public(&member.vis)) && !is_hidden(&member.attrs) =>
                {
                    self.visit_signature(&member.sig);
                }
                ImplItem::Const(member) if is_trait || is_public(&member.vis) => {
                    self.visit_type(&member.ty);
                }
                ImplItem::Type(member) => self.visit_type(&member.ty),
                _ => {}
            }
        }
    }

    fn found(&mut self, name: &str, line: usize) {
        let what = format!("`{name}` of a lower crate is part of the public interface; wrap it");
        self.findings.push(Finding::new(self.path, line, what));
    }
}

impl<'ast> Visit<'ast> for Leaks<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            let name = first.ident.to_string();
            if is_inside(&name) || self.imported.contains(&name) {
                self.found(&name, path.span().start().line);
            }
        }
        visit::visit_path(self, path);
    }

    // Bodies are nobody's interface.
    fn visit_block(&mut self, _: &'ast syn::Block) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<usize> {
        let tree = syn::parse_file(text).expect("valid Rust");
        check(&[("aura/src/a.rs", &tree)]).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn lower_types_in_public_signatures_are_found() {
        assert_eq!(found("pub fn a() -> aura_ring::Cqe { todo() }"), [1]);
        assert_eq!(found("use aura_aimd::Phase;\npub fn a(p: Option<Phase>) {}"), [2]);
        assert_eq!(found("use aura_aimd::Phase as P;\npub struct A { pub p: P }"), [2]);
        assert_eq!(found("pub enum A { B(aura_ring::Cqe) }"), [1]);
        assert_eq!(found("pub trait A { fn a(&self) -> aura_ring::Cqe; }"), [1]);
        assert_eq!(found("pub type A = aura_engine::Engine;"), [1]);
        let method = "pub struct A;\nimpl A {\n pub fn a(&self) -> &aura_ring::Ring { x() }\n}";
        assert_eq!(found(method), [3]);
    }

    #[test]
    fn public_trait_implementations_and_reexports_are_found() {
        let conversion = "pub struct E;\nimpl From<aura_engine::Error> for E {}";
        assert_eq!(found(conversion), [2]);
        assert_eq!(found("pub use aura_ring::Cqe;"), [1]);
        assert_eq!(found("use aura_ring as ring;\npub use ring::Cqe;"), [2]);
        assert_eq!(found("use aura_ring::*;"), [0]);
    }

    #[test]
    fn lower_types_inside_are_fine() {
        assert!(found("pub struct A { inner: aura_engine::Engine }").is_empty());
        assert!(found("pub struct A(pub(crate) aura_engine::Engine);").is_empty());
        assert!(found("pub fn a() { let b = aura_ring::x(); }").is_empty());
        assert!(found("fn a() -> aura_ring::Cqe { x() }").is_empty());
        assert!(found("pub(crate) use aura_ring::Cqe;").is_empty());
        let private = "struct A;\nimpl From<aura_engine::Error> for A {}";
        assert!(found(private).is_empty());
        assert!(found("#[doc(hidden)]\npub fn a() -> aura_engine::Engine { x() }").is_empty());
    }
}
