#include "cluster/supervisor/crash_memory.hpp"

#include <cxxabi.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "protocol/log_line.hpp"

namespace epic::cluster {

using protocol::CrashReport;

namespace {

std::string text_of(std::span<const char> letters) {
  const std::string text(letters.begin(), std::ranges::find(letters, '\0'));
  return protocol::strip_controls(text);
}

std::string demangled(const std::string& symbol) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> plain(
      abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? std::string(plain.get()) : symbol;
}

std::string describe(const CrashReport::Frame& frame) {
  const std::string symbol = demangled(text_of(frame.symbol));
  return fmt::format("{}+{:#x} ({})", symbol.empty() ? "?" : symbol, frame.offset, text_of(frame.library));
}

}  // namespace

std::expected<CrashMemory, std::string> CrashMemory::make() {
  const int file = ::memfd_create("epic-crash", MFD_CLOEXEC);
  if (file < 0) return std::unexpected(std::strerror(errno));
  void* shared = MAP_FAILED;
  if (::ftruncate(file, sizeof(CrashReport)) == 0)
    shared = ::mmap(nullptr, sizeof(CrashReport), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shared == MAP_FAILED) {
    const int error = errno;
    ::close(file);
    return std::unexpected(std::strerror(error));
  }
  return CrashMemory(file, static_cast<CrashReport*>(shared));
}

CrashMemory::CrashMemory(CrashMemory&& other) noexcept
    : file_(std::exchange(other.file_, -1)), report_(std::exchange(other.report_, nullptr)) {}

CrashMemory::~CrashMemory() {
  if (report_ == nullptr) return;
  ::munmap(report_, sizeof(CrashReport));
  ::close(file_);
}

std::string CrashMemory::path() const { return fmt::format("/proc/{}/fd/{}", ::getpid(), file_); }

std::optional<Crash> CrashMemory::read() const {
  if (!report_->has_names.load()) return read_running();
  Crash crash{.entity = text_of(report_->entity), .method = text_of(report_->method), .frames = {}};
  if (crash.entity.empty()) return std::nullopt;
  const std::size_t count = std::min<std::size_t>(report_->frame_count.load(), CrashReport::kFramesMax);
  for (std::size_t i = 0; i < count; ++i) crash.frames.push_back(describe(report_->frames[i]));
  return crash;
}

std::optional<Crash> CrashMemory::read_running() const {
  const std::uint32_t number = report_->running.place.load();
  if (number == 0 || number > kernel::RunningPage::kPlacesCount) return std::nullopt;
  const kernel::RunningPage::Place& place = report_->running.places[number - 1];
  Crash crash{.entity = text_of(place.entity_name), .method = text_of(place.method_name), .frames = {}};
  if (crash.entity.empty()) return std::nullopt;
  const bool is_noted = report_->noted_turn.load() == report_->turn.load();
  const bool is_long = is_noted && text_of(report_->noted_entity) == crash.entity;
  crash.source = is_long ? Crash::Source::long_turn : Crash::Source::turn;
  return crash;
}

}  // namespace epic::cluster
