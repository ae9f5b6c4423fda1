#include "picture.hpp"

#include <algorithm>

namespace {

void append(std::string& file, std::uint32_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) file += static_cast<char>(number >> (8 * i));
}

}  // namespace

std::string picture_of(const std::vector<epic::Bytes>& regions, const Plan& plan) {
  constexpr std::uint32_t kHeaderBytes = 54;
  const auto side = static_cast<std::uint32_t>(plan.side);
  const auto width = static_cast<std::uint32_t>(plan.cells());
  const std::uint32_t row_bytes = (3 * width + 3) / 4 * 4;
  std::string file = "BM";
  append(file, kHeaderBytes + row_bytes * width, 4);
  append(file, 0, 4);
  append(file, kHeaderBytes, 4);
  append(file, 40, 4);  // the second part of the header
  append(file, width, 4);
  append(file, width, 4);
  append(file, 1, 2);   // planes
  append(file, 24, 2);  // bits of a pixel
  append(file, 0, 4);   // not compressed
  append(file, row_bytes * width, 4);
  file.append(16, '\0');

  for (std::uint32_t row = width; row-- > 0;) {  // the last one first
    for (std::uint32_t column = 0; column < width; ++column) {
      const epic::Bytes& region = regions[row / side * plan.regions + column / side];
      const auto cell = std::to_integer<std::uint32_t>(region[row % side * side + column % side]);
      const std::uint32_t agents = cell >> 4;
      file += static_cast<char>(32);                                                   // blue
      file += static_cast<char>(agents > 0 ? 96 : 40 + 14 * (cell & 0xf));             // green: at most 12 of grass
      file += static_cast<char>(agents > 0 ? std::min(150 + 35 * agents, 255u) : 32);  // red
    }
    file.append(row_bytes - 3 * width, '\0');
  }
  return file;
}
