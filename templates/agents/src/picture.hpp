#pragma once
// picture_of: a square of cells as a picture that any program shows (a BMP file).

#include <cstdint>
#include <epic/epic.hpp>
#include <string>

/// `cells`: as Region::paint() has them, `side` of them in each row.
std::string picture_of(const epic::Bytes& cells, std::int32_t side);
