#pragma once
// Session: the thread of a client, with its connections. The router decides, the transport carries.
//
// Nodes are found by their sockets in <project>/.epic/run; the first one that answers sends the shard map, which says
// where the others are. While no node is connected, the folder is read repeatedly: after kAbsenceMax without any, calls
// fail with Unavailable instead of waiting.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "client/router.hpp"
#include "codec/capnp_codec.hpp"
#include "epic/client.hpp"
#include "transport/transport.hpp"

namespace epic::client {

class Session {
 public:
  using OnEnd = Router::OnEnd;

  Session(std::filesystem::path project, ClientOptions options);
  /// Pending calls end with Unavailable.
  ~Session();

  /// Waits for a shard map. Throws Unavailable.
  void wait_until_ready();
  /// Any thread.
  void submit(RecordRef call, OnEnd on_end);

 private:
  struct Submission {
    RecordRef call;
    OnEnd on_end;
  };

  [[nodiscard]] transport::TransportEvents transport_events();
  void run();
  void take_submissions();
  void seek(std::int64_t now_ns);
  void on_unmet(const std::string& address, const std::string& why);
  void on_map(kernel::ShardMap map);
  [[nodiscard]] std::vector<std::string> list_sockets() const;
  [[nodiscard]] std::string describe_absence() const;
  void touch_time();

  std::filesystem::path project_;
  ClientOptions options_;

  // the session's thread
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
  codec::CapnpCodec codec_;
  std::unique_ptr<transport::Transport> transport_;
  Router router_;
  std::set<kernel::PeerAddress> nodes_;  // connected, and of the fabric joined last
  std::set<std::string> seeking_;        // addresses being tried
  std::int64_t seek_at_ns_ = 0;
  std::int64_t alone_since_ns_ = 0;  // no node is connected
  std::string last_unmet_;
  bool is_time_fresh_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Submission> submitted_;
  bool is_wake_pending_ = false;
  bool is_ready_ = false;
  bool is_hopeless_ = false;  // no node can be reached, and none is being tried
  std::string absence_;
  bool is_ending_ = false;

  std::thread thread_;
};

}  // namespace epic::client
