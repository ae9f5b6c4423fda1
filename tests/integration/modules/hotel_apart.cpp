#include "hotel.hpp"

EPIC_MODULE(epic::no_setup, hotel::Room, hotel::Guest)
