#include "weir/http/h2.hpp"
#include "weir/http/websocket.hpp"

#include "http/h2_codec_impl.hpp"
#include <nghttp2/nghttp2.h>

#include <array>
#include <new>

namespace weir::http {
namespace {

// Acknowledgements that wait for a peer which asks, and does not read.
constexpr std::size_t kMostControlFrames = 256;
constexpr std::size_t kMostSettings = 32;
// Of a header block: limits.header_size and what we add to it bound them.
constexpr std::size_t kMostSent = std::size_t{16} * 1024 * 1024;
constexpr std::uint64_t kNever = 1'000'000'000;
// Framed at once; the rest when this has gone out.
constexpr std::size_t kMostOutput = 256 * 1024;

struct DeleteCallbacks {
    void operator()(nghttp2_session_callbacks* callbacks) const {
        nghttp2_session_callbacks_del(callbacks);
    }
};
struct DeleteOption {
    void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

std::unique_ptr<nghttp2_option, DeleteOption> make_option(const H2Limits& limits) {
    nghttp2_option* option = nullptr;
    if (nghttp2_option_new(&option) != 0) throw std::bad_alloc();
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_outbound_ack(option, kMostControlFrames);
    nghttp2_option_set_max_settings(option, kMostSettings);
    nghttp2_option_set_max_send_header_block_length(option, kMostSent);
    // Both are fixes of attacks that not every 1.52 has: without them this does not compile. The
    // first one counts each read that brings a piece of a frame's header, of which there may be
    // nine; the frames are counted here.
    nghttp2_option_set_max_continuations(
        option, limits.only_counts_headers ? kNever : std::size_t{9} * (kMostContinuations + 1));
    nghttp2_option_set_stream_reset_rate_limit(option, kNever, kNever);  // H2Guard's is tighter
    return std::unique_ptr<nghttp2_option, DeleteOption>(option);
}

}  // namespace

void H2Codec::Impl::start() {
    nghttp2_session_callbacks* made = nullptr;
    if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
    const std::unique_ptr<nghttp2_session_callbacks, DeleteCallbacks> callbacks(made);
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, &on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, &on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, &on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(made, &on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, &on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, &on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, &on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, &on_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(made, &on_not_sent);
    nghttp2_session_callbacks_set_send_data_callback(made, &send_data);
    const auto option = make_option(limits);
    const bool is_server = side == Side::server;
    const int error = is_server ? nghttp2_session_server_new2(&session, made, this, option.get())
                                : nghttp2_session_client_new2(&session, made, this, option.get());
    if (error != 0) throw std::bad_alloc();
    const std::array<nghttp2_settings_entry, 4> settings{{
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
         static_cast<std::uint32_t>(limits.head.header_size)},
        is_server ? nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams}
                  : nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    }};
    const bool says_last = is_server && limits.takes_websockets;
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(),
                            settings.size() - (says_last ? 0 : 1));
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
                                          static_cast<std::int32_t>(limits.connection_window));
}

H2Codec::H2Codec(Side side, const H2Limits& limits, H2Scratch& scratch, H2Events& events)
    : impl_(std::make_unique<Impl>(side, limits, scratch, events)) {
    impl_->start();
}

H2Codec::~H2Codec() = default;

std::size_t H2Codec::receive(std::string_view bytes, TimePoint now) {
    Impl& self = *impl_;
    if (self.is_dead || self.is_terminated) return bytes.size();
    self.guard.begin(now);
    self.new_streams = 0;
    self.is_paused = false;
    self.is_busy = true;
    self.block.return_to_scratch();
    const ssize_t taken = nghttp2_session_mem_recv(
        self.session, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (self.is_in_head) self.block.leave_scratch();
    self.is_busy = false;
    self.touch();
    if (taken >= 0) return static_cast<std::size_t>(taken);
    self.is_dead = true;
    const bool is_flood = taken == NGHTTP2_ERR_FLOODED;
    const bool is_long = self.continuations > kMostContinuations;
    self.events.on_fault(is_flood  ? H2Fault::glitches
                         : is_long ? H2Fault::headers
                                   : H2Fault::protocol,
                         true);
    return bytes.size();
}

bool H2Codec::is_paused() const {
    return impl_->is_paused;
}

bool H2Codec::is_in_head() const {
    return impl_->is_in_head;
}

bool H2Codec::is_over() const {
    const Impl& self = *impl_;
    if (self.is_dead) return true;
    return self.out.empty() && nghttp2_session_want_read(self.session) == 0 &&
           nghttp2_session_want_write(self.session) == 0;
}

void H2Codec::send_head(H2Stream& stream, std::string_view head, bool ends) {
    if (stream.is_closed_) return;
    stream.has_ended_ = ends;
    impl_->submit(stream, head, ends, false);
}

void H2Codec::send_interim(H2Stream& stream, std::string_view head) {
    if (!stream.is_closed_) impl_->submit(stream, head, false, true);
}

bool H2Codec::open(H2Stream& stream,
                   std::string_view head,
                   std::string_view scheme,
                   bool ends,
                   std::string_view host) {
    Impl& self = *impl_;
    if (self.is_dead || self.is_terminated) return false;
    const std::string_view method = head.substr(0, head.find(' '));
    self.fields.clear();
    self.fields.push_back({":method", method});
    self.set_request(head, scheme, host);
    stream.method_ = method_from(method);
    return self.submit_request(stream, ends);
}

bool H2Codec::open_websocket(H2Stream& stream,
                             std::string_view head,
                             std::string_view scheme,
                             std::string_view host) {
    Impl& self = *impl_;
    if (self.is_dead || self.is_terminated) return false;
    self.fields.clear();
    self.fields.push_back({":method", "CONNECT"});
    self.fields.push_back({":protocol", kWebSocket});
    self.set_request(head, scheme, host);
    std::erase_if(self.fields, [](const H2Field& field) { return field.name == kWebSocketKey; });
    stream.method_ = Method::connect;
    stream.is_websocket_ = true;
    return self.submit_request(stream, false);
}

// All but the method, which the line begins with.
void H2Codec::Impl::set_request(std::string_view head,
                                std::string_view scheme,
                                std::string_view host) {
    const std::size_t path = head.find(' ') + 1;
    const std::size_t path_end = head.find(' ', path);
    fields.push_back({":scheme", scheme});
    fields.push_back({":path", head.substr(path, path_end - path)});
    const std::size_t authority = fields.size();
    fields.push_back({":authority", {}});
    const std::string_view named =
        to_fields(head.substr(head.find("\r\n", path_end) + 2), scratch.names, fields);
    fields[authority].value = named.empty() ? host : named;
}

bool H2Codec::Impl::submit_request(H2Stream& stream, bool ends) {
    to_pairs();
    stream.has_ended_ = ends;
    nghttp2_data_provider body{.source = {.ptr = &stream}, .read_callback = &read_data};
    const std::int32_t id = nghttp2_submit_request(session, nullptr, pairs.data(), pairs.size(),
                                                   ends ? nullptr : &body, &stream);
    if (id < 0) return false;
    stream.id_ = id;
    guard.count_stream();
    touch();
    return true;
}

void H2Codec::send_body(H2Stream& stream,
                        std::string_view data,
                        bool is_last,
                        std::string_view trailers) {
    Impl& self = *impl_;
    if (stream.has_ended_ || stream.is_closed_) return;
    stream.has_ended_ = is_last;
    if (is_last) stream.trailers_.assign(trailers);
    stream.now_ = data;
    nghttp2_session_resume_data(self.session, stream.id_);
    if (!self.is_busy) pump();
    if (!stream.now_.empty()) {
        stream.waiting_.append(stream.now_);
        stream.now_ = {};
        stream.was_waiting_ = true;
    }
    self.touch();
}

void H2Codec::reset(H2Stream& stream, H2Code code) {
    if (stream.is_closed_ || stream.is_reset_) return;
    stream.is_reset_ = true;
    stream.has_ended_ = true;
    impl_->clear_waiting(stream);
    nghttp2_submit_rst_stream(impl_->session, NGHTTP2_FLAG_NONE, stream.id_,
                              static_cast<std::uint32_t>(code));
    impl_->touch();
}

void H2Codec::reset_after_end(H2Stream& stream) {
    if (stream.is_closed_) return;
    stream.resets_after_ = true;
    // Perhaps it has gone out already.
    if (nghttp2_session_get_stream_local_close(impl_->session, stream.id_) == 1)
        reset(stream, H2Code::no_error);
}

void H2Codec::consume(const H2Stream& stream, std::size_t bytes) {
    if (bytes == 0) return;
    const bool is_client = impl_->side == Side::client;
    if (is_client && stream.is_closed_) return;
    if (is_client) {
        nghttp2_session_consume_stream(impl_->session, stream.id_, bytes);
    } else if (stream.is_closed_) {
        nghttp2_session_consume_connection(impl_->session, bytes);
    } else {
        nghttp2_session_consume(impl_->session, stream.id_, bytes);
    }
    impl_->touch();
}

void H2Codec::forget(H2Stream& stream) {
    if (!stream.is_closed_ && stream.id_ != 0)
        nghttp2_session_set_stream_user_data(impl_->session, stream.id_, nullptr);
    impl_->clear_waiting(stream);
}

void H2Codec::ping() {
    impl_->guard.expect_pong();
    nghttp2_submit_ping(impl_->session, NGHTTP2_FLAG_NONE, nullptr);
    impl_->touch();
}

void H2Codec::announce_end() {
    nghttp2_submit_shutdown_notice(impl_->session);
    impl_->touch();
}

void H2Codec::end() {
    nghttp2_submit_goaway(impl_->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(impl_->session), NGHTTP2_NO_ERROR,
                          nullptr, 0);
    impl_->touch();
}

void H2Codec::terminate(H2Code code) {
    impl_->end_with(static_cast<std::uint32_t>(code));
}

std::uint32_t H2Codec::most_streams() const {
    return nghttp2_session_get_remote_settings(impl_->session,
                                               NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool H2Codec::may_open() const {
    return !impl_->is_dead && !impl_->is_terminated &&
           nghttp2_session_check_request_allowed(impl_->session) != 0;
}

bool H2Codec::takes_websockets() const {
    return nghttp2_session_get_remote_settings(impl_->session,
                                               NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

void H2Codec::pump() {
    Impl& self = *impl_;
    if (self.is_busy || self.is_dead || self.is_blocked) return;
    self.is_busy = true;
    while (self.out.size() < kMostOutput) {
        const std::uint8_t* data = nullptr;
        const ssize_t size = nghttp2_session_mem_send(self.session, &data);
        if (size < 0) self.is_dead = true;
        if (size <= 0) break;
        self.out.append(to_text(data, static_cast<std::size_t>(size)));
    }
    self.is_busy = false;
    self.tell_drained();
}

std::string H2Codec::take_output() {
    impl_->is_touched = false;
    return std::exchange(impl_->out, {});
}

void H2Codec::lend(std::string buffer) {
    if (impl_->out.empty()) impl_->out = std::move(buffer);
}

void H2Codec::set_blocked(bool blocked) {
    impl_->is_blocked = blocked;
}

}  // namespace weir::http
