//! Nested dissection of a rectangle of cells: who is eliminated when, and which numbers go where. Depends on the shape only.

use std::ops::Range;

/// Boxes of at most this many cells are eliminated whole. Measured on 128² and 256²: 8 to 24 take the same time, and the larger
/// ones a quarter more memory.
pub(super) const LEAF: usize = 12;

/// No position.
const NOWHERE: u32 = u32::MAX;

/// The order of elimination of the cells of a grid.
///
/// A box of cells is cut by a line of cells, both parts are eliminated, then the line (George 1973). Each node of the tree is
/// a dense *front*: its pivots (a line, or all cells of a small box), then its boundary, the cells around its whole box, which
/// are eliminated later (Duff & Reid 1983).
#[derive(Debug)]
pub(crate) struct Tree {
    /// The cell (row-major) of each position in the elimination.
    pub order: Vec<u32>,
    /// Children before parents.
    pub nodes: Vec<Node>,
    /// Largest front.
    pub largest: usize,
    /// Numbers on the stack of fronts that wait for their parents, at most.
    pub stack: usize,
    boundary: Vec<u32>,
    links: Vec<Link>,
    runs: Vec<Run>,
}

/// One front.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Position of the first pivot; the others follow.
    pub first: usize,
    /// Number of pivots.
    pub pivots: usize,
    /// Pivots and boundary.
    pub size: usize,
    /// Where the front that is left after the elimination is kept, until the parent takes it.
    pub kept_at: usize,
    /// The nodes whose fronts are added to this one.
    pub children: Option<[usize; 2]>,
    boundary: Range<usize>,
    links: Range<usize>,
    /// Where this front goes in that of the parent.
    runs: Range<usize>,
}

/// Two neighbouring cells, the first of them a pivot of the front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// Place of the pivot in the front.
    pub pivot: u32,
    /// Place of its neighbour in the front.
    pub other: u32,
    /// The lower of the two cells.
    pub cell: u32,
    /// The axis along which they are neighbours.
    pub axis: u8,
    /// Whether the pivot is the lower one.
    pub pivot_is_lower: bool,
}

/// Neighbouring boundary cells that are neighbours in the front of the parent too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// First of them, counted in the boundary.
    pub from: usize,
    /// Its place in the front of the parent.
    pub to: usize,
    /// How many.
    pub len: usize,
}

impl Tree {
    /// Dissects `rows × columns` cells; fewer than 2³² of them.
    pub fn new(rows: usize, columns: usize) -> Self {
        let mut builder = Builder { columns, rows, order: Vec::with_capacity(rows * columns), boxes: Vec::new() };
        builder.divide(0..rows, 0..columns);
        builder.finish()
    }

    /// Positions of the boundary cells of a node, increasing.
    pub fn boundary(&self, node: &Node) -> &[u32] {
        &self.boundary[node.boundary.clone()]
    }

    /// The pairs of neighbours whose rates enter at a node.
    pub fn links(&self, node: &Node) -> &[Link] {
        &self.links[node.links.clone()]
    }

    /// Where what is left of a node's front goes in its parent's.
    pub fn runs(&self, node: &Node) -> &[Run] {
        &self.runs[node.runs.clone()]
    }
}

/// A box of cells and the position of its first pivot.
struct Boxed {
    rows: Range<usize>,
    columns: Range<usize>,
    first: usize,
    pivots: usize,
    children: Option<[usize; 2]>,
}

struct Builder {
    rows: usize,
    columns: usize,
    order: Vec<u32>,
    boxes: Vec<Boxed>,
}

impl Builder {
    /// Returns the index of the node of a box.
    fn divide(&mut self, rows: Range<usize>, columns: Range<usize>) -> usize {
        let small = rows.len() * columns.len() <= LEAF;
        let (children, pivot_rows, pivot_columns) = if small {
            (None, rows.clone(), columns.clone())
        } else if rows.len() >= columns.len() {
            let middle = rows.start + rows.len() / 2;
            let children =
                [self.divide(rows.start..middle, columns.clone()), self.divide(middle + 1..rows.end, columns.clone())];
            (Some(children), middle..middle + 1, columns.clone())
        } else {
            let middle = columns.start + columns.len() / 2;
            let children =
                [self.divide(rows.clone(), columns.start..middle), self.divide(rows.clone(), middle + 1..columns.end)];
            (Some(children), rows.clone(), middle..middle + 1)
        };
        let first = self.order.len();
        for row in pivot_rows {
            self.order.extend(pivot_columns.clone().map(|column| (row * self.columns + column) as u32));
        }
        let pivots = self.order.len() - first;
        self.boxes.push(Boxed { rows, columns, first, pivots, children });
        self.boxes.len() - 1
    }

    /// The cells that share a face with a box, outside of it.
    fn around(&self, b: &Boxed) -> Vec<usize> {
        let mut cells = Vec::new();
        let at = |row: usize, column: usize| row * self.columns + column;
        if b.rows.start > 0 {
            cells.extend(b.columns.clone().map(|c| at(b.rows.start - 1, c)));
        }
        if b.rows.end < self.rows {
            cells.extend(b.columns.clone().map(|c| at(b.rows.end, c)));
        }
        if b.columns.start > 0 {
            cells.extend(b.rows.clone().map(|r| at(r, b.columns.start - 1)));
        }
        if b.columns.end < self.columns {
            cells.extend(b.rows.clone().map(|r| at(r, b.columns.end)));
        }
        cells
    }

    fn finish(self) -> Tree {
        let mut position = vec![NOWHERE; self.order.len()];
        for (at, &cell) in self.order.iter().enumerate() {
            position[cell as usize] = at as u32;
        }
        let mut tree = Tree {
            nodes: Vec::with_capacity(self.boxes.len()),
            largest: 0,
            stack: 0,
            boundary: Vec::new(),
            links: Vec::new(),
            runs: Vec::new(),
            order: Vec::new(),
        };
        let mut place = vec![NOWHERE; self.order.len()];
        let mut top = 0;
        for b in &self.boxes {
            let mut boundary: Vec<u32> = self.around(b).into_iter().map(|cell| position[cell]).collect();
            boundary.sort_unstable();
            let pivots = b.first as u32..(b.first + b.pivots) as u32;
            for (k, at) in pivots.chain(boundary.iter().copied()).enumerate() {
                place[at as usize] = k as u32;
            }
            let links = tree.links.len();
            for at in b.first..b.first + b.pivots {
                self.link(self.order[at] as usize, &position, &place, &mut tree.links);
            }
            for child in b.children.into_iter().flatten() {
                let (from, to) = (tree.runs.len(), tree.nodes[child].boundary.clone());
                for (k, at) in tree.boundary[to].iter().enumerate() {
                    let to = place[*at as usize] as usize;
                    match tree.runs[from..].last_mut() {
                        Some(run) if run.to + run.len == to => run.len += 1,
                        _ => tree.runs.push(Run { from: k, to, len: 1 }),
                    }
                }
                tree.nodes[child].runs = from..tree.runs.len();
            }
            // The fronts of the children lie on top of the stack; what is left of this one takes their place.
            let kept_at = b.children.map_or(top, |[first, _]| tree.nodes[first].kept_at);
            top = kept_at + boundary.len() * boundary.len();
            tree.stack = tree.stack.max(top);
            let size = b.pivots + boundary.len();
            tree.largest = tree.largest.max(size);
            let from = tree.boundary.len();
            tree.boundary.extend(boundary);
            tree.nodes.push(Node {
                first: b.first,
                pivots: b.pivots,
                size,
                kept_at,
                children: b.children,
                boundary: from..tree.boundary.len(),
                links: links..tree.links.len(),
                runs: 0..0,
            });
        }
        tree.order = self.order;
        tree
    }

    /// The links of a cell with neighbours that are eliminated after it.
    fn link(&self, cell: usize, position: &[u32], place: &[u32], links: &mut Vec<Link>) {
        let (row, column) = (cell / self.columns, cell % self.columns);
        let mut add = |other: usize, axis| {
            if position[other] > position[cell] {
                links.push(Link {
                    pivot: place[position[cell] as usize],
                    other: place[position[other] as usize],
                    cell: cell.min(other) as u32,
                    axis,
                    pivot_is_lower: cell < other,
                });
            }
        };
        if row > 0 {
            add(cell - self.columns, 0);
        }
        if row + 1 < self.rows {
            add(cell + self.columns, 0);
        }
        if column > 0 {
            add(cell - 1, 1);
        }
        if column + 1 < self.columns {
            add(cell + 1, 1);
        }
    }
}
