#include "cli/app.hpp"

int main(int argc, char** argv) { return epic::cli::run_app(argc, argv); }
