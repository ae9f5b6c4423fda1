#include "io/resident.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

namespace epic::io {

std::uint64_t resident_bytes() {
  const int file = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[128];
  const ssize_t bytes = ::read(file, text, sizeof text);
  ::close(file);
  const std::string_view fields(text, bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  const std::size_t space = fields.find(' ');  // the second field is the resident size in pages
  if (space == std::string_view::npos) return 0;
  std::uint64_t pages = 0;
  std::from_chars(fields.data() + space + 1, fields.data() + fields.size(), pages);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace epic::io
