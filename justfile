# The commands of this repository, for `just` (https://just.systems); each line runs without it too.

# Formatting, lints, unit tests, and the suites of the core and the server: before each commit
quick:
    ./test.sh quick

# Everything that CI runs
test:
    ./test.sh

# One suite: core, server, worker or lambda
suite name *filter:
    cargo test --package conformance --test {{name}} -- {{filter}}

# policy/prices.json, after a change of policy/prices.toml
prices:
    cargo run --package sparekey-policy --example compile_prices

# Licences, advisories, and dependencies that are not used
deps:
    cargo deny check && cargo machete

# The server with a stand-in for OpenAI
demo:
    cargo run --release --package sparekey -- --demo

# The gate's cost per request, in instructions
instructions:
    cargo run --release --package bench-pure --example gate_instructions

# The server beside nginx and haproxy
bench *arguments:
    cargo run --release --package bench -- {{arguments}}

# All parsers, each for so many seconds
fuzz seconds="60":
    fuzz/run.sh {{seconds}}

# Changes of the code for which no test fails; 0/10 tries every tenth
mutants shard="0/1":
    tests/mutants.sh {{shard}}

# Programs, bills of materials and checksums in release/
release:
    ./release.sh
