//! Settings, sweeps and what goes into the provenance.

use super::{Document, Kind, template};

fn document(text: &str) -> Document {
    Document::parse(text, "problem.toml").unwrap_or_else(|error| panic!("{error}"))
}

const TEXT: &str = "kind = \"committee\"\na = 1 # one\n[b]\nc = { d = 2, e = [1, 2] }\n[[f]]\ng = 1\n[[f]]\ng = 2\n";

#[test]
fn settings_replace_and_add() {
    let mut document = document(TEXT);
    for (key, value) in [
        ("a", "3"),
        ("b.c.d", "4"),
        ("b.\"new key\".deep", "[1.0, 2.0]"),
        ("f.1.g", "5"),
        ("b.c.e.0", "6"),
        ("b.word", "relu"),
        ("b.formula", "0.5*(theta - h)^2"),
        ("b.quoted", "\"relu\""),
        ("a", "7"),
        ("b.table", "{ x = 1, y = \"z\" }"),
        ("b.flag", "true"),
    ] {
        document.set(key, value).unwrap_or_else(|error| panic!("{error}"));
    }
    let text = document.problem_text();
    let settings = "\n[set]\n\
        \"b.c.d\" = 4\n\
        \"b.\\\"new key\\\".deep\" = [1.0, 2.0]\n\
        \"f.1.g\" = 5\n\
        \"b.c.e.0\" = 6\n\
        \"b.word\" = \"relu\"\n\
        \"b.formula\" = \"0.5*(theta - h)^2\"\n\
        \"b.quoted\" = \"relu\"\n\
        \"a\" = 7\n\
        \"b.table\" = { x = 1, y = \"z\" }\n\
        \"b.flag\" = true\n";
    assert_eq!(text, format!("{TEXT}{settings}"));
    // What was written says the same, and goes on to say so.
    let mut again = self::document(&text);
    assert_eq!(again.problem_text(), text);
    again.set("a", "8").unwrap();
    assert!(again.problem_text().ends_with("\"b.flag\" = true\n\"a\" = 8\n"), "{}", again.problem_text());
    // As if it had been written so at once.
    let whole = "kind = \"committee\"\na = 7\n[b]\nc = { d = 4, e = [6, 2] }\n\"new key\" = { deep = [1.0, 2.0] }\nword = 'relu'\n\
                 formula = \"0.5*(theta - h)^2\"\nquoted = 'relu'\ntable = { x = 1, y = 'z' }\nflag = true\n[[f]]\ng = 1\n[[f]]\ng = 5\n";
    assert_eq!(shape(&document), shape(&self::document(whole)));
    assert_eq!(shape(&self::document(&text)), shape(&document));
}

/// The tree without places.
fn shape(document: &Document) -> String {
    fn show(node: &super::tree::Node) -> String {
        match &node.value {
            super::tree::Value::Table(entries) => {
                let mut parts: Vec<String> =
                    entries.iter().map(|entry| format!("{}: {}", entry.key, show(&entry.node))).collect();
                parts.sort();
                format!("{{{}}}", parts.join(", "))
            }
            super::tree::Value::List(items) => format!("{:?}", items.iter().map(show).collect::<Vec<_>>()),
            other => format!("{other:?}"),
        }
    }
    show(&document.root)
}

#[test]
fn settings_take_the_place_of_what_they_cannot_stand_beside() {
    let mut document = document(template(Kind::Kinetic));
    for (key, value) in
        [("time.every", "2.5"), ("problem.selection.clock.every", "0.5"), ("problem.selection.clock.staggered", "1")]
    {
        document.set(key, value).unwrap();
    }
    document.set("problem.selection.clock.rate", "2").unwrap();
    assert_eq!(document.case().unwrap().times, [0.0, 2.5, 5.0]);
    // What the file keeps of it says the same.
    let again = Document::parse(&document.problem_text(), "again.toml").unwrap();
    assert_eq!(again.case().unwrap().times, [0.0, 2.5, 5.0]);
}

#[test]
fn bad_settings_are_quoted() {
    for (key, value, expected) in [
        (
            "a..b",
            "1",
            "--set a..b: `a..b` is not a key\n |\n | --set a..b=1\n |       ^^^^\nexpected parts joined by dots, as problem.epsilon",
        ),
        (
            "b.c",
            "[1, 2",
            "--set b.c: not TOML: unclosed array, expected `]`\n |\n | --set b.c=[1, 2\n |                ^",
        ),
        (
            "a.b",
            "1",
            "--set a.b: no `b` in a\n |\n | --set a.b=1\n |       ^^^\n\
             expected the path of a key in tables, or of an entry of a list by its number from 0",
        ),
        (
            "f.2.g",
            "1",
            "--set f.2.g: no `2` in f\n |\n | --set f.2.g=1\n |       ^^^^^\n\
             expected the path of a key in tables, or of an entry of a list by its number from 0",
        ),
    ] {
        assert_eq!(document(TEXT).set(key, value).unwrap_err().to_string(), expected);
    }
    for (key, value) in [("", "1"), ("a = 1 #", "2"), ("a\nb", "1"), ("a", ""), ("a", "\"open"), ("b c", "1")] {
        assert!(document(TEXT).set(key, value).is_err(), "{key:?}");
    }
    let mut bad = document(template(Kind::Kinetic));
    bad.set("problem.selection.beta", "-2").unwrap();
    assert_eq!(
        bad.case().unwrap_err().to_string(),
        "--set problem.selection.beta: bad value of `problem.selection.beta`\n |\n \
         | --set problem.selection.beta=-2\n |                              ^^\n\
         found -2, expected a finite number ≥ 0"
    );
    // From a file that was written, the place is in that file.
    let error = document(&bad.problem_text()).case().unwrap_err();
    assert_eq!(error.source_line, "\"problem.selection.beta\" = -2");
    let mut unknown = document(template(Kind::Kinetic));
    unknown.set("problem.selection.betta", "2").unwrap();
    assert_eq!(
        unknown.case().unwrap_err().to_string(),
        "--set problem.selection.betta: unknown key `betta` in [problem.selection]\n |\n \
         | --set problem.selection.betta=2\n |       ^^^^^^^^^^^^^^^^^^^^^^^\n\
         expected one of `beta`, `clock`, `evaluation`, `rejuvenate`, `rule`\ndid you mean `beta`?"
    );
}

#[test]
fn sweeps_are_lists_in_order() {
    let text = "kind = \"kinetic\"\n[sweep]\n\"problem.epsilon\" = [1.0, 0.1, 1e-2]\nproblem.loss = [\"theta^2\", 'h']\n\
                \"grid.theta\" = [{ low = -1, high = 1,\n cells = 3 }]\n\"problem.student.Q\" = [[[1.0]], [[2.0]]]\n";
    let expected: [(&str, &[&str]); 4] = [
        ("problem.epsilon", &["1.0", "0.1", "1e-2"]),
        ("problem.loss", &["\"theta^2\"", "'h'"]),
        ("grid.theta", &["{ low = -1, high = 1,\n cells = 3 }"]),
        ("problem.student.Q", &["[[1.0]]", "[[2.0]]"]),
    ];
    let found = document(text).sweep().unwrap();
    let shown: Vec<(&str, Vec<&str>)> =
        found.iter().map(|(key, values)| (&**key, values.iter().map(|value| &**value).collect())).collect();
    assert_eq!(shown, expected.map(|(key, values)| (key, values.to_vec())));
    // Each value can be set.
    for (key, values) in &found {
        for value in values {
            let mut one = document(text);
            one.set(key, value).unwrap_or_else(|error| panic!("{error}"));
            assert!(document(&one.problem_text()).problem_text() == one.problem_text());
        }
    }
    let mut settable = document("kind = \"kinetic\"");
    assert!(settable.sweep().unwrap().is_empty());
    settable.set("sweep.\"problem.epsilon\"", "[1, 2]").unwrap();
    assert_eq!(settable.sweep().unwrap(), [("problem.epsilon".to_string(), vec!["1".to_string(), "2".to_string()])]);
    for (text, expected) in [
        ("[sweep]\na = []", "bad value of `a` in [sweep]"),
        ("[sweep]\na = 1", "bad value of `a` in [sweep]"),
        ("sweep = 1", "bad value of `sweep` in [sweep]"),
        ("[sweep]\n\"a..b\" = [1]", "`a..b` is not a key"),
    ] {
        let error = document(text).sweep().unwrap_err();
        assert_eq!(error.message, expected);
        assert!(document(&format!("kind = \"kinetic\"\n{text}")).case().is_err());
    }
}

#[test]
fn sweeps_and_checkpoints_may_stand_in_any_file() {
    for kind in Kind::ALL {
        let text = format!("{}\n[checkpoint]\nevery = 2\n[sweep]\n\"problem.epsilon\" = [0.1, 0.2]\n", template(kind));
        let case = document(&text).case().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(case.checkpoint_every, Some(2.0));
    }
}

#[test]
fn names_of_kinds_are_those_of_their_files() {
    for kind in Kind::ALL {
        assert_eq!(document(template(kind)).case().unwrap().kind, kind);
        assert!(template(kind).contains(&format!("kind = \"{}\"", kind.name())));
    }
}

#[test]
fn times_in_all_their_forms() {
    let times = |time: &str| {
        let mut document = document(template(Kind::Committee));
        document.set("time", time).unwrap();
        document.case().map(|case| case.times)
    };
    for (time, expected) in [
        ("{ end = 1, every = 0.5 }", &[0.0, 0.5, 1.0][..]),
        ("{ end = 1, every = 0.4 }", &[0.0, 0.4, 0.8]),
        ("{ start = 0.5, end = 1, every = 0.5 }", &[0.5, 1.0]),
        ("{ end = 1, outputs = [0.25, 0.5] }", &[0.25, 0.5, 1.0]),
        ("{ outputs = [0, 0.5] }", &[0.0, 0.5]),
        ("{ end = 2 }", &[0.0, 2.0]),
        ("{ end = 0 }", &[0.0]),
        ("{ start = 0.1, end = 10, outputs_per_decade = 1 }", &[0.1, 1.0, 10.0]),
    ] {
        assert_eq!(times(time).unwrap(), expected, "{time}");
    }
    for time in [
        "{ every = 0.5 }",
        "{ end = 1, every = 0 }",
        "{ end = 1e300, every = 1e-300 }",
        "{ end = 1, every = 1e-8 }",
        "{ end = 1, every = 0.5, outputs = [1] }",
        "{ end = 1, outputs = [] }",
        "{ end = 1, outputs = [0.5, 0.5] }",
        "{ end = 1, outputs = [0.5, 2.0] }",
        "{ end = 1, outputs = [-0.5] }",
        "{ end = nan, every = 0.5 }",
        "{ end = inf }",
        "{ end = 1, outputs_per_decade = 3 }",
        "{ start = 0, end = 1, outputs_per_decade = 3 }",
        "{ start = 2, end = 1, outputs_per_decade = 3 }",
        "{ start = 2, end = 1 }",
        "{ start = 1e-300, end = 1e300, outputs_per_decade = 100000 }",
        "{ end = 1, outputs_per_decade = 0.5, start = 0.1 }",
    ] {
        assert!(times(time).is_err(), "{time}");
    }
}
