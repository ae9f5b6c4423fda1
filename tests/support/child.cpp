#include "support/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace epic::test {

namespace {
constexpr int kTimeoutMs = 60'000;
}

void Reporter::line(std::string_view text) const {
  const std::string whole = std::string(text) + "\n";
  if (::write(descriptor_, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) ::_exit(2);
}

Child::Child(const std::function<void(const Reporter&)>& body) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("cannot create a pipe for a child process");
  process_ = ::fork();
  if (process_ < 0) throw std::runtime_error("cannot fork a child process");
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(ends[0]);
    const Reporter reporter(ends[1]);
    try {
      body(reporter);
    } catch (const std::exception& error) {
      reporter.line(std::string("error: ") + error.what());
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  reports_ = ends[0];
}

Child::Child(Child&& other) noexcept
    : process_(std::exchange(other.process_, -1)),
      reports_(std::exchange(other.reports_, -1)),
      pending_(std::move(other.pending_)) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(process_, other.process_);
  std::swap(reports_, other.reports_);
  std::swap(pending_, other.pending_);
  return *this;
}

Child::~Child() {
  kill();
  if (reports_ >= 0) ::close(reports_);
}

void Child::kill() {
  if (process_ < 0) return;
  ::kill(process_, SIGKILL);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
}

std::optional<std::string> Child::read_line() {
  for (;;) {
    if (const auto end = pending_.find('\n'); end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    pollfd ready{.fd = reports_, .events = POLLIN, .revents = 0};
    const int count = ::poll(&ready, 1, kTimeoutMs);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw std::runtime_error("a child process said nothing for 60 s; before that: '" + pending_ + "'");
    char buffer[4096];
    const ssize_t size = ::read(reports_, buffer, sizeof(buffer));
    if (size <= 0) return std::nullopt;
    pending_.append(buffer, static_cast<std::size_t>(size));
  }
}

}  // namespace epic::test
