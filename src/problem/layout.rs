//! How the order parameters of a committee lie in one list of numbers, and how they are shown.

use std::sync::Arc;

use crate::frame::{Coordinate, Field};

/// Order parameters beyond which a run counts as diverged.
pub(crate) const RUNAWAY: f64 = 1e12;

/// The order of the order parameters in a state: upper triangle of `Q` by rows, `M` by rows, then `a`, `b`, and for scaled
/// momentum `R` (K×M), `S` (K×K), upper triangle of `T`, as far as they move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// `K`.
    pub students: usize,
    /// `M`.
    pub teachers: usize,
    /// Whether `a` moves.
    pub second_layer: bool,
    /// Whether `b` moves.
    pub biases: bool,
    /// Whether there is scaled momentum.
    pub momentum: bool,
}

impl Layout {
    fn triangle(&self, i: usize, k: usize) -> usize {
        let (i, k) = (i.min(k), i.max(k));
        i * self.students - i * (i + 1) / 2 + k
    }

    fn triangle_len(&self) -> usize {
        self.students * (self.students + 1) / 2
    }

    /// Index of `Q_ik`.
    pub fn q(&self, i: usize, k: usize) -> usize {
        self.triangle(i, k)
    }

    /// Index of `M_in`.
    pub fn m(&self, i: usize, n: usize) -> usize {
        self.triangle_len() + i * self.teachers + n
    }

    fn after_overlaps(&self) -> usize {
        self.triangle_len() + self.students * self.teachers
    }

    /// Index of `a_i`; only if it moves.
    pub fn a(&self, i: usize) -> usize {
        self.after_overlaps() + i
    }

    /// Index of `b_i`; only if it moves.
    pub fn b(&self, i: usize) -> usize {
        self.after_overlaps() + if self.second_layer { self.students } else { 0 } + i
    }

    fn after_biases(&self) -> usize {
        self.after_overlaps() + self.students * (usize::from(self.second_layer) + usize::from(self.biases))
    }

    /// Index of `R_in = p_i·w*_n/d`; only with scaled momentum.
    pub fn r(&self, i: usize, n: usize) -> usize {
        self.after_biases() + i * self.teachers + n
    }

    /// Index of `S_ik = p_i·w_k/d`; only with scaled momentum.
    pub fn s(&self, i: usize, k: usize) -> usize {
        self.after_biases() + self.students * (self.teachers + i) + k
    }

    /// Index of `T_ik = p_i·p_k/d`; only with scaled momentum.
    pub fn t(&self, i: usize, k: usize) -> usize {
        self.after_biases() + self.students * (self.teachers + self.students) + self.triangle(i, k)
    }

    /// Number of order parameters.
    #[allow(clippy::len_without_is_empty)] // Never empty.
    pub fn len(&self) -> usize {
        if self.momentum { self.t(self.students - 1, self.students - 1) + 1 } else { self.after_biases() }
    }

    /// `Q[0,1]`, `M[1,0]`, `a[2]`, …, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![String::new(); self.len()];
        for i in 0..self.students {
            for n in 0..self.teachers {
                names[self.m(i, n)] = format!("M[{i},{n}]");
                if self.momentum {
                    names[self.r(i, n)] = format!("R[{i},{n}]");
                }
            }
            for k in 0..self.students {
                if k >= i {
                    names[self.q(i, k)] = format!("Q[{i},{k}]");
                }
                if self.momentum {
                    names[self.s(i, k)] = format!("S[{i},{k}]");
                    if k >= i {
                        names[self.t(i, k)] = format!("T[{i},{k}]");
                    }
                }
            }
            if self.second_layer {
                names[self.a(i)] = format!("a[{i}]");
            }
            if self.biases {
                names[self.b(i)] = format!("b[{i}]");
            }
        }
        names
    }

    /// The axes that fields of this layout lie on.
    pub fn axes(&self) -> OverlapAxes {
        let axis = |name, description, units: usize| {
            let values = (0..units).map(|unit| unit as f64).collect();
            Arc::new(Coordinate { name, description, values, bounds: None })
        };
        OverlapAxes {
            student: axis("student", "unit of the student", self.students),
            other: axis("student_2", "unit of the student, second index", self.students),
            teacher: axis("teacher", "unit of the teacher", self.teachers),
        }
    }

    /// `state` as fields `Q`, `M`, `a` and, as far as they move, `b`, `R`, `S`, `T` of the group `order_parameters`, matrices
    /// whole. `fixed` is `a` where it does not move.
    pub fn fields(&self, axes: &OverlapAxes, state: &[f64], fixed: &[f64]) -> Vec<Field<'static>> {
        let group = "order_parameters";
        let (students, teachers) = (self.students, self.teachers);
        let square = |index: &dyn Fn(usize, usize) -> usize| -> Vec<f64> {
            (0..students * students).map(|at| state[index(at / students, at % students)]).collect()
        };
        let wide = |index: &dyn Fn(usize, usize) -> usize| -> Vec<f64> {
            (0..students * teachers).map(|at| state[index(at / teachers, at % teachers)]).collect()
        };
        let list =
            |index: &dyn Fn(usize) -> usize| -> Vec<f64> { (0..students).map(|unit| state[index(unit)]).collect() };
        let (rows, columns, teacher) = (&axes.student, &axes.other, &axes.teacher);
        let mut fields = vec![
            Field::array(group, "Q", "overlaps of the student, w·w/d", &[rows, columns], square(&|i, k| self.q(i, k))),
            Field::array(
                group,
                "M",
                "overlaps of student and teacher, w·w*/d",
                &[rows, teacher],
                wide(&|i, n| self.m(i, n)),
            ),
        ];
        let a = if self.second_layer { list(&|i| self.a(i)) } else { fixed.to_vec() };
        fields.push(Field::array(group, "a", "second layer of the student", &[rows], a));
        if self.biases {
            fields.push(Field::array(group, "b", "biases of the student", &[rows], list(&|i| self.b(i))));
        }
        if self.momentum {
            fields.push(Field::array(
                group,
                "R",
                "momentum and teacher, p·w*/d",
                &[rows, teacher],
                wide(&|i, n| self.r(i, n)),
            ));
            fields.push(Field::array(
                group,
                "S",
                "momentum and student, p·w/d",
                &[rows, columns],
                square(&|i, k| self.s(i, k)),
            ));
            fields.push(Field::array(group, "T", "momentum, p·p/d", &[rows, columns], square(&|i, k| self.t(i, k))));
        }
        fields
    }

    /// Standard errors of the fields of [`Layout::fields`], `Q_error`, `M_error`, …
    pub fn error_fields(&self, axes: &OverlapAxes, errors: &[f64]) -> Vec<Field<'static>> {
        let mut fields = self.fields(axes, errors, &vec![0.0; self.students]);
        for field in &mut fields {
            field.name = match field.name {
                "Q" => "Q_error",
                "M" => "M_error",
                "a" => "a_error",
                "b" => "b_error",
                "R" => "R_error",
                "S" => "S_error",
                _ => "T_error",
            };
            field.description = "standard error of the mean over runs";
        }
        fields
    }
}

/// The named axes of overlaps.
#[derive(Debug, Clone)]
pub struct OverlapAxes {
    /// Units of the student.
    pub student: Arc<Coordinate>,
    /// Units of the student, as second index.
    pub other: Arc<Coordinate>,
    /// Units of the teacher.
    pub teacher: Arc<Coordinate>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_one_name() {
        for (second_layer, biases, momentum) in
            [(false, false, false), (true, false, false), (false, true, true), (true, true, true)]
        {
            let layout = Layout { students: 3, teachers: 2, second_layer, biases, momentum };
            let names = layout.names();
            let mut sorted = names.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(sorted.len(), layout.len());
            assert!(names.iter().all(|name| !name.is_empty()), "{names:?}");
            assert_eq!(names[layout.q(2, 1)], "Q[1,2]");
        }
    }

    #[test]
    fn fields_are_whole_matrices() {
        let layout = Layout { students: 2, teachers: 1, second_layer: true, biases: false, momentum: false };
        let fields = layout.fields(&layout.axes(), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], &[]);
        let values: Vec<_> = fields.iter().map(|field| (field.name, field.values.to_vec())).collect();
        assert_eq!(values, [("Q", vec![1.0, 2.0, 2.0, 3.0]), ("M", vec![4.0, 5.0]), ("a", vec![6.0, 7.0])]);
    }
}
