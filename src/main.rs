//! The program `tidegate`; everything it does is in the library, so that tests can reach it.

fn main() -> std::process::ExitCode {
    tidegate::cli::run()
}
