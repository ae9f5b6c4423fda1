#pragma once
// App: from the command line to the exit code.

namespace epic::cli {

/// Runs one command. Catches every exception and reports it as a bug of epic.
int run_app(int argc, char** argv);

}  // namespace epic::cli
