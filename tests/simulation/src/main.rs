//! Runs seeds, on all cores: `simulation --seeds N`, or one of them again: `simulation --seed S --trace`.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use syncbridge_simulation::reach::Reach;
use syncbridge_simulation::run::{Options, run};

/// Many clients and a server in virtual time, with everything that goes wrong.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Only this one.
    #[arg(long)]
    seed: Option<u64>,
    /// Commands of each run before everything must drain.
    #[arg(long, default_value_t = Options::default().commands)]
    commands: u64,
    /// Prints what happens.
    #[arg(long)]
    trace: bool,
    /// Switches one deliberate fault after the other on, or only that one, and says which seed finds it; `seeds` for
    /// each.
    #[cfg(debug_assertions)]
    #[arg(long, num_args = 0..=1, default_missing_value = "")]
    mutants: Option<String>,
    /// How many seeds run at a time; 0: one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

/// So many seeds together reach every rule and every kind of race.
const SEEDS_THAT_REACH_ALL: u64 = 1_000;

#[derive(Default)]
struct Total {
    seeds: u64,
    commands: u64,
    reach: Reach,
    failed: BTreeSet<u64>,
}

fn commit() -> String {
    let told = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    told.ok().map_or_else(String::new, |told| String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options { commands: arguments.commands, trace: arguments.trace };
    let seeds = match arguments.seed {
        Some(seed) => seed..seed + 1,
        None => arguments.from..arguments.from + arguments.seeds,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if arguments.threads == 0 { cores } else { arguments.threads };
    #[cfg(debug_assertions)]
    if let Some(only) = &arguments.mutants {
        return hunt(arguments.seeds, threads, only);
    }
    let began = Instant::now();
    let (next, total) = (AtomicU64::new(seeds.start), Mutex::new(Total::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = catch_unwind(AssertUnwindSafe(|| run(seed, options)));
                    let mut total = total.lock().expect("invariant: nobody panics with the lock");
                    total.seeds += 1;
                    match report {
                        Ok(report) => {
                            total.commands += report.commands;
                            total.reach.merge(&report.reach);
                            if arguments.seed.is_some() {
                                println!(
                                    "seed {seed}: history {:016x}, {} commands",
                                    report.digest, report.commands
                                );
                            }
                        }
                        Err(_) => {
                            eprintln!("seed {seed} failed at commit {}: make sim SEED={seed}", commit());
                            total.failed.insert(seed);
                        }
                    }
                }
            });
        }
    });
    let total = total.into_inner().expect("invariant: nobody panics with the lock");
    print!("{}", total.reach);
    // A few seeds need not reach everything.
    let gaps = if total.seeds >= SEEDS_THAT_REACH_ALL { total.reach.gaps() } else { Vec::new() };
    gaps.iter().for_each(|gap| println!("           0  {gap}: reached by no seed"));
    let seconds = began.elapsed().as_secs_f64();
    let well = total.failed.is_empty() && gaps.is_empty();
    let result = if well { "ok".to_owned() } else { format!("FAILED {:?} {gaps:?}", total.failed) };
    println!(
        "simulation: {result}: {} seeds from {}, {} commands, {seconds:.0} s, commit {}",
        total.seeds,
        seeds.start,
        total.commands,
        commit()
    );
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The closing line is `mutants: caught C/T`.
#[cfg(debug_assertions)]
fn hunt(seeds: u64, threads: usize, only: &str) -> ExitCode {
    use syncbridge_simulation::mutants;
    std::panic::set_hook(Box::new(|_| {}));
    let verdict = |well: bool| if well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if !only.is_empty() {
        return verdict(mutants::try_one(only, seeds));
    }
    let sound = (1..=seeds.min(10)).all(|seed| catch_unwind(|| run(seed, Options::default())).is_ok());
    if !sound {
        println!("without a fault the seeds fail already: make sim says why");
        return ExitCode::FAILURE;
    }
    let (caught, all) = mutants::hunt(seeds, threads);
    println!("mutants: caught {caught}/{all}");
    verdict(caught == all)
}
