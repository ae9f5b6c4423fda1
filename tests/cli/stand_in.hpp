#pragma once
// StandIn: a control socket with fixed answers, so that the output of commands can be compared exactly; or the port
// where a supervisor answers programs on other machines.
//
// The sockets and their frames are real; only the supervisor behind them is missing.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cluster/control/control_server.hpp"

namespace epic::cli_test {

class StandIn {
 public:
  struct Answer {
    cluster::AnswerStatus status = cluster::AnswerStatus::ok;
    boost::json::array parts;  // one, or several for a stream
    std::string message;       // of a refusal
    std::optional<protocol::control::FailureDetail> detail = {};
    std::chrono::milliseconds delay = {};  // before it
  };

  /// Starts listening on `<project>/.epic/control.sock`.
  StandIn(const std::filesystem::path& project, std::map<std::string, Answer> answers);
  /// Listens with that secret on a port of 127.0.0.1, for a fabric with these settings.
  struct Elsewhere {
    std::filesystem::path secret_file;
    std::string manifest;
  };
  StandIn(const Elsewhere& elsewhere, std::map<std::string, Answer> answers);
  ~StandIn();

  /// HOST:PORT, if it is elsewhere.
  [[nodiscard]] const std::string& address() const { return address_; }

  /// The requests so far, as "verb {body}".
  [[nodiscard]] std::vector<std::string> requests();

 private:
  void answer(const cluster::ControlRequest& request, const cluster::ControlReply& reply);
  static void send(const Answer& answer, const cluster::ControlReply& reply);

  std::map<std::string, Answer> answers_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  struct Port;
  std::unique_ptr<cluster::ControlServer> server_;
  std::unique_ptr<Port> port_;
  std::string address_;
  std::thread thread_;
};

[[nodiscard]] StandIn::Answer answer(std::string_view json);
/// The parts are the elements of an array.
[[nodiscard]] StandIn::Answer stream(std::string_view json);

}  // namespace epic::cli_test
