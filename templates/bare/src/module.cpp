#include <epic/epic.hpp>

EPIC_MODULE(epic::no_setup)
