#pragma once
// Session: the thread of a client, with its connections, and the way into it from all others.
//
// Not here: how nodes are found (place.hpp), what is done about those that come and go (contact.hpp), where a call goes
// (router.hpp).

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/contact.hpp"
#include "client/place.hpp"
#include "codec/capnp_codec.hpp"
#include "epic/client.hpp"
#include "transport/transport.hpp"

namespace epic::client {

class Session {
 public:
  using OnEnd = Router::OnEnd;

  Session(std::unique_ptr<Place> place, ClientOptions options);
  /// Pending calls end with Unavailable.
  ~Session();

  /// Waits for a shard map. Throws Unavailable.
  void wait_until_ready();
  /// Any thread. Its lock is held for a few instructions, and of many calls that come while the session's thread is
  /// busy only the first wakes it.
  /// `handle`: for cancel(); may be null.
  void submit(RecordRef call, OnEnd on_end, CallHandle handle);
  /// Any thread.
  void cancel(CallHandle handle);

 private:
  struct Submission {
    RecordRef call;  // null: the one of `handle` is to be cancelled
    OnEnd on_end;
    CallHandle handle;
  };

  void run();
  void pass(Submission submission);
  void take_submissions();
  void on_change();

  std::unique_ptr<Place> place_;
  ClientOptions options_;

  // the session's thread
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
  codec::CapnpCodec codec_;
  Contact contact_;
  std::unique_ptr<transport::Transport> transport_;
  std::vector<Submission> taken_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Submission> submitted_;
  bool is_wake_pending_ = false;
  bool is_ready_ = false;  // there has been a shard map
  std::string absence_;    // why waiting for one is hopeless
  bool is_ending_ = false;

  std::thread thread_;
};

}  // namespace epic::client
