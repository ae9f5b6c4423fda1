#include "loops.hpp"

using loops::Looper;

EPIC_MODULE(epic::no_setup, Looper, loops::Lingerer, loops::Ticker)
