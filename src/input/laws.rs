//! Domains, laws and mutation kernels of one variable.

use std::sync::Arc;

use super::formulas;
use super::reader::{FINITE, Item, NONNEGATIVE, POSITIVE, Range, Read, SHARE, Table};
use crate::problem::{Domain, Ends, Formula, InitialTheta, Kernel, Law, Scale};

/// A number, or a formula in h.
#[derive(Clone)]
enum Parameter {
    Number(f64),
    Formula(Formula),
}

impl Parameter {
    fn at(&self, h: &[f64]) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Formula(formula) => formula.value(h),
        }
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Gaussian,
    Uniform,
    LogUniform,
    Point,
}

const SHAPES: [(&str, Shape); 4] = [
    ("gaussian", Shape::Gaussian),
    ("uniform", Shape::Uniform),
    ("log-uniform", Shape::LogUniform),
    ("point", Shape::Point),
];

const A_LAW: &str = "a law, as { law = \"gaussian\", mean = 0.0, std = 1.0 }, or a number";

impl Shape {
    fn law(self, [first, second]: [f64; 2]) -> Law {
        match self {
            Self::Gaussian => Law::Gaussian { mean: first, std: second },
            Self::Uniform => Law::Uniform { low: first, high: second },
            Self::LogUniform => Law::LogUniform { low: first, high: second },
            Self::Point => Law::Point { at: first },
        }
    }
}

/// The keys of a law, once its name is read; `dim_h` if its parameters may be formulas.
fn parameters(table: &Table<'_>, shape: Shape, dim_h: Option<usize>) -> Read<[Parameter; 2]> {
    let read = |item: Item<'_>, range: Range| match (item.as_text(), dim_h) {
        (Some(_), Some(dim_h)) => Ok(Parameter::Formula(formulas::of_h(&item, dim_h)?)),
        _ => Ok(Parameter::Number(item.number(range)?)),
    };
    let number = |key, range: Range| read(table.need(key, range.text)?, range);
    let mean = || table.get("mean").map_or(Ok(Parameter::Number(0.0)), |item| read(item, FINITE));
    let [first, second] = match shape {
        Shape::Gaussian => [mean()?, number("std", POSITIVE)?],
        Shape::Uniform => [number("low", FINITE)?, number("high", FINITE)?],
        Shape::LogUniform => [number("low", POSITIVE)?, number("high", POSITIVE)?],
        Shape::Point => [number("at", FINITE)?, Parameter::Number(0.0)],
    };
    if let (Shape::Uniform | Shape::LogUniform, Parameter::Number(low), Parameter::Number(high)) =
        (shape, &first, &second)
        && !(high > low)
    {
        return Err(table.need("high", "a number")?.expected("a number above low"));
    }
    Ok([first, second])
}

fn parts(item: &Item<'_>, dim_h: Option<usize>) -> Read<(Shape, [Parameter; 2])> {
    if item.is_number() {
        return Ok((Shape::Point, [Parameter::Number(item.number(FINITE)?), Parameter::Number(0.0)]));
    }
    let table = item.table(A_LAW)?;
    let parts = parts_in(&table, dim_h)?;
    table.finish()?;
    Ok(parts)
}

fn parts_in(table: &Table<'_>, dim_h: Option<usize>) -> Read<(Shape, [Parameter; 2])> {
    let shape = table.need("law", "the name of a law, as \"gaussian\"")?.choice(&SHAPES)?;
    Ok((shape, parameters(table, shape, dim_h)?))
}

/// A law among other keys of a table.
pub(super) fn law_in(table: &Table<'_>) -> Read<Law> {
    let (shape, [first, second]) = parts_in(table, None)?;
    Ok(shape.law([first.at(&[]), second.at(&[])]))
}

/// A law of one variable.
pub(super) fn law(item: &Item<'_>) -> Read<Law> {
    let (shape, [first, second]) = parts(item, None)?;
    Ok(shape.law([first.at(&[]), second.at(&[])]))
}

/// One entry a variable, or one for all of them.
pub(super) fn each<'d, T: Clone>(
    item: &Item<'d>,
    count: usize,
    of: &str,
    read: impl Fn(&Item<'d>) -> Read<T>,
) -> Read<Vec<T>> {
    if !item.is_list() {
        return Ok(vec![read(item)?; count]);
    }
    let items = item.list("one entry or more")?;
    if items.len() != count {
        return Err(item.expected(&format!("one entry for all, or one for each {of}: {count}")));
    }
    items.iter().map(read).collect()
}

/// The initial law of θ: `"equilibrium"`, laws, or laws whose parameters are formulas in h.
pub(super) fn initial_theta(item: &Item<'_>, dim_theta: usize, dim_h: usize) -> Read<InitialTheta> {
    let name = |item: &Item<'_>| {
        let table = item.table("a table")?;
        let names: Vec<(&str, bool)> =
            SHAPES.iter().map(|(name, _)| (*name, false)).chain([("equilibrium", true)]).collect();
        let equilibrium = table.need("law", "the name of a law")?.choice(&names)?;
        if equilibrium { table.finish() } else { Ok(()) }.map(|()| equilibrium)
    };
    let equilibrium = match item.as_text() {
        Some(_) => item.choice(&[("equilibrium", true)])?,
        None => item.is_table() && name(item)?,
    };
    if equilibrium {
        return Ok(InitialTheta::Equilibrium);
    }
    let laws = each(item, dim_theta, "parameter", |item| parts(item, Some(dim_h)))?;
    let constant = |(_, parameters): &(Shape, [Parameter; 2])| {
        parameters.iter().all(|parameter| matches!(parameter, Parameter::Number(_)))
    };
    let all_constant = laws.iter().all(constant);
    let given = move |h: &[f64]| -> Vec<Law> {
        laws.iter().map(|(shape, [first, second])| shape.law([first.at(h), second.at(h)])).collect()
    };
    Ok(if all_constant { InitialTheta::Law(given(&[])) } else { InitialTheta::Given(Arc::new(given)) })
}

/// `[problem.h]`.
pub(super) fn domain(item: &Item<'_>) -> Read<Domain> {
    let table = item.table("a table with low and high")?;
    let (low, high) = (table.number("low", FINITE)?, table.number("high", FINITE)?);
    let scale = table.choice_or("scale", Scale::Linear, &[("linear", Scale::Linear), ("log", Scale::Log)])?;
    let ends = [("reflect", Ends::Reflect), ("clip", Ends::Clip), ("retry", Ends::Retry)];
    let ends = table.choice_or("ends", Ends::Reflect, &ends)?;
    if scale == Scale::Log && !(low > 0.0) {
        return Err(table.need("low", "")?.expected("a number above 0, as scale = \"log\" has no zero"));
    }
    if !(high > low) {
        return Err(table.need("high", "")?.expected("a number above low"));
    }
    table.finish()?;
    Ok(Domain { low, high, scale, ends })
}

#[derive(Clone, Copy)]
enum Mutation {
    None,
    Gaussian,
    Uniform,
    Factor,
    Resample,
    Perturb,
    Sequence,
    Diffusion,
}

const MUTATIONS: [(&str, Mutation); 8] = [
    ("none", Mutation::None),
    ("gaussian", Mutation::Gaussian),
    ("uniform", Mutation::Uniform),
    ("factor", Mutation::Factor),
    ("resample", Mutation::Resample),
    ("perturb", Mutation::Perturb),
    ("sequence", Mutation::Sequence),
    ("diffusion", Mutation::Diffusion),
];

/// `[problem.mutation]`.
pub(super) fn kernel(item: &Item<'_>) -> Read<Kernel> {
    kernel_within(item, false)
}

fn kernel_within(item: &Item<'_>, inside: bool) -> Read<Kernel> {
    if item.as_text().is_some() {
        item.choice(&[("none", ())])?;
        return Ok(Kernel::None);
    }
    let table = item.table("a table with a kernel, or \"none\"")?;
    let name = table.need("kernel", "the name of a kernel, as \"gaussian\"")?;
    let factors = |table: &Table<'_>| table.need("factors", "a list of factors, as [0.8, 1.2]")?.numbers(POSITIVE);
    let the_law = |table: &Table<'_>| law(&table.need("law", A_LAW)?);
    let kernel = match name.choice(&MUTATIONS)? {
        Mutation::None => Kernel::None,
        Mutation::Gaussian => Kernel::Gaussian { std: table.number("std", POSITIVE)? },
        Mutation::Uniform => Kernel::Uniform { width: table.number("width", POSITIVE)? },
        Mutation::Factor => Kernel::Factor { factors: factors(&table)? },
        Mutation::Resample => {
            Kernel::Resample { probability: table.number("probability", SHARE)?, law: the_law(&table)? }
        }
        Mutation::Perturb => {
            let probability = table.number("resample_probability", SHARE)?;
            Kernel::perturb(factors(&table)?, probability, the_law(&table)?)
        }
        Mutation::Sequence | Mutation::Diffusion if inside => {
            return Err(name.expected("a kernel that is neither a sequence nor a diffusion, inside of a sequence"));
        }
        Mutation::Sequence => {
            let expected = "a list of kernels, as [{ kernel = \"gaussian\", std = 0.1 }]";
            let parts = table.need("parts", expected)?.list(expected)?;
            let parts: Vec<Kernel> = parts.iter().map(|part| kernel_within(part, true)).collect::<Read<_>>()?;
            // A perturbation is a sequence itself.
            let flat = |part| if let Kernel::Sequence(parts) = part { parts } else { vec![part] };
            Kernel::Sequence(parts.into_iter().flat_map(flat).collect())
        }
        Mutation::Diffusion => Kernel::Diffusion { diffusion: table.number("diffusion", NONNEGATIVE)? },
    };
    table.finish()?;
    Ok(kernel)
}
