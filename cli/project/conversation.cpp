#include "cli/project/conversation.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

namespace epic::cli {
namespace bp = boost::process::v2;

struct Conversation::Process {
  explicit Process(std::string of) : name(std::move(of)) {}
  ~Process() {
    if (socket >= 0) ::close(socket);
    bp::error_code ignored;
    if (process) process->wait(ignored);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] Failure hung_up() const {
    return {.what = fmt::format("{} ended without an answer", name), .why = "see its output above, if there is any"};
  }

  std::string name;
  boost::asio::io_context context;
  int socket = -1;
  std::optional<bp::process> process;
  std::string received;
  std::size_t searched = 0;  // of `received`, without a line end
};

Conversation::Conversation(std::unique_ptr<Process> process) : process_(std::move(process)) {}
Conversation::Conversation(Conversation&&) noexcept = default;
Conversation::~Conversation() = default;

Result<Conversation> Conversation::start(const std::filesystem::path& program,
                                         const std::vector<std::string>& arguments) {
  auto process = std::make_unique<Process>(program.filename().string());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail(
        {.what = fmt::format("cannot start {}", program.string()), .why = std::generic_category().message(errno)});
  process->socket = ends[0];
  bp::error_code error;
  bp::posix::default_launcher launcher;
  auto started = launcher(process->context.get_executor(), error, bp::filesystem::path(program.string()), arguments,
                          bp::process_stdio{ends[1], ends[1], STDERR_FILENO});
  ::close(ends[1]);
  if (error) return fail({.what = fmt::format("cannot start {}", program.string()), .why = error.message()});
  process->process.emplace(std::move(started));
  return Conversation(std::move(process));
}

Result<std::string> Conversation::ask(std::string_view line) {
  const std::string text = fmt::format("{}\n", line);
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t count = ::send(process_->socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(process_->hung_up());
    sent += static_cast<std::size_t>(count);
  }
  return listen();
}

Result<std::string> Conversation::listen() {
  std::string& received = process_->received;
  while (true) {
    if (const std::size_t end = received.find('\n', process_->searched); end != std::string::npos) {
      std::string line = received.substr(0, end);
      received.erase(0, end + 1);
      process_->searched = 0;
      return line;
    }
    process_->searched = received.size();
    char buffer[65536];
    const ssize_t count = ::recv(process_->socket, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail(process_->hung_up());
    received.append(buffer, static_cast<std::size_t>(count));
  }
}

}  // namespace epic::cli
