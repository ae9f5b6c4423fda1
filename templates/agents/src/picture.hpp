#pragma once
// picture_of: a world as a picture that any program shows (a BMP file).

#include <epic/epic.hpp>
#include <string>
#include <vector>

#include "rules.hpp"

/// `regions`: the cells of each, as Region::paint() has them, row by row of regions.
std::string picture_of(const std::vector<epic::Bytes>& regions, const Plan& plan);
