#include "weir/demo/toy_service.hpp"

#include <chrono>
#include <stdexcept>

namespace weir::demo {
namespace {

constexpr Duration kPatience = std::chrono::minutes{10};
constexpr Duration kStall = std::chrono::seconds{5};
// Work, so that the page of latencies is not all zeros.
constexpr Duration kWork = std::chrono::milliseconds{3};

}  // namespace

struct ToyService::Client {
    Client(const boost::asio::any_io_executor& executor, transport::Socket socket)
        : stream(executor, std::move(socket)) {}

    transport::ControlStream stream;
    std::string in;
    http::RequestHead head;
};

ToyService::ToyService(boost::asio::any_io_executor executor, std::string name)
    : executor_(std::move(executor)),
      name_(std::move(name)),
      address_(*Address::parse("127.0.0.1:0")) {
    listen();
}

void ToyService::listen() {
    auto socket = transport::Socket::listen(address_, false);
    if (!socket) throw std::runtime_error("the demo's service " + name_ + " cannot listen");
    address_ = socket->local_address();
    listener_ = std::make_unique<transport::ControlListener>(
        executor_, "service " + name_, std::move(*socket),
        [this](transport::Socket client) { accept(std::move(client)); });
}

void ToyService::set_mood(Mood mood) {
    mood_ = mood;
    if (mood == Mood::gone) {
        listener_.reset();
        clients_.clear();
    } else if (!listener_) {
        listen();
    }
}

void ToyService::accept(transport::Socket socket) {
    std::erase_if(clients_, [](const auto& task) { return !task.is_running(); });
    auto client = std::make_shared<Client>(executor_, std::move(socket));
    clients_.push_back(transport::spawn(
        executor_, "client of " + name_,
        [this, client](transport::TaskScope& scope) { return serve(scope, client); }));
}

transport::Task<> ToyService::serve(transport::TaskScope& scope, std::shared_ptr<Client> client) {
    for (;;) {
        client->stream.set_deadline(kPatience);
        const auto parse = http::parse_request_head(client->in, {}, client->head);
        if (parse.state == http::HeadParse::State::failed) co_return;
        if (parse.state == http::HeadParse::State::need_more) {
            const bool has_more = co_await client->stream.read_more(scope, client->in);
            if (!has_more) co_return;
            continue;
        }
        // The demo's load has no bodies; of those who try a POST by hand it is not read.
        const bool is_last =
            !client->head.keep_alive || client->head.framing != http::Framing::none;
        const std::string text = answer(client->head);
        client->in.erase(0, parse.consumed);
        co_await scope.sleep_for(kWork);
        const bool is_sent = co_await client->stream.write(scope, text, kStall);
        if (!is_sent) co_return;
        if (!is_last) continue;
        co_await client->stream.linger(scope, kStall);
        co_return;
    }
}

std::string ToyService::answer(const http::RequestHead& head) {
    ++requests_;
    const bool is_well = mood_ == Mood::well;
    const std::string body = is_well ? "hello from " + name_ + "\n" : name_ + " is unwell\n";
    std::string text = is_well ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 500 Internal Server Error\r\n";
    text += "Content-Type: text/plain\r\nContent-Length: " + std::to_string(body.size());
    if (head.framing != http::Framing::none) text += "\r\nConnection: close";
    text += "\r\n\r\n";
    if (head.method != http::Method::head) text += body;
    return text;
}

}  // namespace weir::demo
