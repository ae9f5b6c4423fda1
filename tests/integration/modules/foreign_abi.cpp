// A module built for another version of epic: if any of its code runs, the process dies.

#include <cstdlib>

extern "C" {
extern const char epic_module_abi[];
__attribute__((visibility("default"), used)) const char epic_module_abi[] = "epic-0.0.1-abi-0";
}

__attribute__((constructor)) static void run_too_early() { std::abort(); }
