# make validate [ARGS="--study NAME --level full"] · make gallery [ARGS=NAME] · make test · make bench · make docs
#
# Needs Rust, a C compiler and make; `deps` sees to libhdf5 (see scripts/deps).

CARGO = . target/deps.sh && cargo

.PHONY: validate gallery test bench docs deps

# Also: scripts/mutants, which breaks the code on purpose and demands that gates fail (half an hour).

validate: deps
	$(CARGO) run --release --example validate $$FEATURES -- $(ARGS)

# Figures of the literature, into data/pictures; with ARGS=reference small results, into data/reference.
gallery: deps
	$(CARGO) run --release --example gallery $$FEATURES -- $(ARGS)

test: deps
	$(CARGO) test --release --no-fail-fast $$FEATURES

bench: deps
	$(CARGO) bench $$FEATURES

docs: deps
	$(CARGO) doc --release --no-deps $$FEATURES

deps:
	@sh scripts/deps
