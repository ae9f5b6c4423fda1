#include "forks.hpp"

EPIC_MODULE(epic::no_setup, forks::Fork)
