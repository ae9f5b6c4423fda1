#include "probe.hpp"

using probe::Ballast, probe::Counter, probe::Diary, probe::Fatal, probe::Hoard, probe::Kiln, probe::Relay,
    probe::Stillborn, probe::Till;

EPIC_MODULE(epic::no_setup, Counter, Relay, Hoard, Diary, Ballast, Fatal, Kiln, Stillborn, Till)
