#pragma once
// UnixMedium: streams between processes of one machine, over UNIX sockets. An address is the path of a socket.

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "files/private_files.hpp"
#include "transport/stream.hpp"

namespace epic::transport {

class UnixMedium final : public Medium {
 public:
  /// `context` is run by the thread that calls everything here.
  explicit UnixMedium(boost::asio::io_context& context);
  ~UnixMedium() override;

  [[nodiscard]] std::expected<StreamPtr, std::string> dial(const std::string& address) override;
  [[nodiscard]] std::expected<std::string, std::string> listen(const std::string& address, OnAccept on_accept) override;
  void hide() override;
  void stop_listening() override;

 private:
  void accept_more();

  boost::asio::io_context& context_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  boost::asio::steady_timer accept_later_;
  OnAccept on_accept_;
  std::string listening_at_;  // and what is there
  files::Identity listening_as_{};
  // Lets a queued handler find out that the medium has been destroyed.
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace epic::transport
