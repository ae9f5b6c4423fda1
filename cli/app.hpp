#pragma once
// App: from the words of the command line to the exit code.

namespace epic::cli {

/// Runs one command. Catches everything; what it cannot explain it calls a bug of epic's.
int run_app(int argc, char** argv);

}  // namespace epic::cli
