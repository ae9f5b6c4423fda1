#include "transport/machine_medium.hpp"

#include <utility>

#include "transport/tcp_place.hpp"

namespace epic::transport {

namespace {

bool is_path(const std::string& address) { return address.contains('/'); }

}  // namespace

MachineMedium::MachineMedium(boost::asio::io_context& context, const protocol::MachinePlace& place)
    : place_(place), unix_(context), tcp_(context, [this] { return get_credentials(); }) {}

std::expected<TlsContextPtr, std::string> MachineMedium::get_credentials() {
  if (!credentials_ || credentials_of_ != place_.tcp) credentials_.emplace(credential_place(place_.tcp));
  credentials_of_ = place_.tcp;
  return credentials_->get();
}

std::string MachineMedium::address_of(const kernel::ShardMap::Member& member) const {
  const bool is_apart =
      !member.host.empty() && member.machine != place_.machine && !credential_place(place_.tcp).is_empty();
  return is_apart ? tcp_.address_of(member) : unix_.address_of(member);
}

Medium& MachineMedium::medium_for(const std::string& address) {
  if (is_path(address)) return unix_;
  return tcp_;
}

std::expected<StreamPtr, std::string> MachineMedium::dial(const std::string& address) {
  return medium_for(address).dial(address);
}

std::expected<std::string, std::string> MachineMedium::listen(const std::string& address, OnAccept on_accept) {
  return medium_for(address).listen(address, std::move(on_accept));
}

void MachineMedium::hide() {
  unix_.hide();
  tcp_.hide();
}

void MachineMedium::stop_listening() {
  unix_.stop_listening();
  tcp_.stop_listening();
}

}  // namespace epic::transport
