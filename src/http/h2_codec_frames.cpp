#include "weir/http/websocket.hpp"

#include "http/h2_codec_impl.hpp"

#include <algorithm>

namespace weir::http {
namespace {

// A drained buffer above this is given back.
constexpr std::size_t kKeptCapacity = 0;

// Whose values hardly come again: in the table of HPACK they would push out what does, and the
// library compares each new one with all of them.
bool is_unique(std::string_view name) {
    constexpr std::string_view kNames[] = {"x-request-id", "traceparent", "grpc-timeout",
                                           "x-weir-deadline-ms"};
    return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

nghttp2_nv pair(std::string_view name, std::string_view value) {
    const auto bytes = [](std::string_view of) {
        return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(of.data()));
    };
    const std::uint8_t flags = is_unique(name) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
    return {bytes(name), bytes(value), name.size(), value.size(), flags};
}

// The resets that a peer's mistakes make us send: the library's, but for those that only say that
// the answer is complete.
bool is_for_a_mistake(std::uint32_t code) {
    return code != NGHTTP2_NO_ERROR && code != NGHTTP2_CANCEL;
}

}  // namespace

// ---- what came

int H2Codec::Impl::on_begin_frame(nghttp2_session* /*session*/,
                                  const nghttp2_frame_hd* head,
                                  void* user) {
    Impl& self = of(user);
    if (head->type == NGHTTP2_HEADERS && self.is_skipped(head->stream_id)) {
        self.events.on_fault(H2Fault::protocol, true);
        self.end_with(NGHTTP2_PROTOCOL_ERROR);
    }
    if (head->type == NGHTTP2_CONTINUATION && ++self.continuations > kMostContinuations) {
        if (!self.limits.only_counts_headers) return NGHTTP2_ERR_CALLBACK_FAILURE;
        self.block.refuse();
        self.count_headers();
    }
    const bool is_glitch =
        self.guard.is_glitch({.type = head->type, .flags = head->flags, .length = head->length});
    if (is_glitch && !self.guard.take_glitch()) self.fault(H2Fault::glitches);
    return 0;
}

int H2Codec::Impl::on_begin_headers(nghttp2_session* session,
                                    const nghttp2_frame* frame,
                                    void* user) {
    Impl& self = of(user);
    if (self.is_terminated) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    self.block.begin();
    self.is_in_head = true;
    self.continuations = 0;
    self.is_block_counted = false;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    ++self.new_streams;
    self.open_id(frame->hd.stream_id);
    self.guard.count_stream();
    H2Stream& stream = self.events.on_open();
    stream.id_ = frame->hd.stream_id;
    nghttp2_session_set_stream_user_data(session, stream.id_, &stream);
    return 0;
}

int H2Codec::Impl::on_header(nghttp2_session* /*session*/,
                             const nghttp2_frame* /*frame*/,
                             const std::uint8_t* name,
                             std::size_t name_size,
                             const std::uint8_t* value,
                             std::size_t value_size,
                             std::uint8_t /*flags*/,
                             void* user) {
    Impl& self = of(user);
    if (!self.block.add(to_text(name, name_size), to_text(value, value_size))) {
        self.count_headers();
        // The rest is decoded, and not told.
        return self.is_terminated ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
    }
    if (self.new_streams <= self.limits.streams_per_turn || self.is_paused) return 0;
    self.is_paused = true;
    return NGHTTP2_ERR_PAUSE;
}

// A name or value that the library would only leave out.
int H2Codec::Impl::on_invalid_header(nghttp2_session* session,
                                     const nghttp2_frame* frame,
                                     const std::uint8_t* /*name*/,
                                     std::size_t /*name_size*/,
                                     const std::uint8_t* /*value*/,
                                     std::size_t /*value_size*/,
                                     std::uint8_t /*flags*/,
                                     void* /*user*/) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                              NGHTTP2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int H2Codec::Impl::on_frame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
    Impl& self = of(user);
    if (self.is_terminated) return 0;
    switch (frame->hd.type) {
        case NGHTTP2_HEADERS:
            self.finish_head(*frame);
            break;
        case NGHTTP2_DATA:
            if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) break;
            if (H2Stream* const stream = self.find(frame->hd.stream_id))
                self.events.on_end(*stream, {});
            break;
        case NGHTTP2_RST_STREAM:
            if (H2Stream* const stream = self.find(frame->hd.stream_id))
                stream->was_reset_by_peer_ = true;
            if (self.side == Side::server && !self.guard.take_reset()) self.fault(H2Fault::resets);
            break;
        case NGHTTP2_SETTINGS:
            if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self.events.on_settings();
            break;
        case NGHTTP2_PING:
            if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) self.events.on_pong();
            break;
        case NGHTTP2_GOAWAY:
            self.events.on_goaway();
            break;
        default:
            break;
    }
    return 0;
}

void H2Codec::Impl::finish_head(const nghttp2_frame& frame) {
    is_in_head = false;
    H2Stream* const stream = find(frame.hd.stream_id);
    if (stream == nullptr) return;
    const bool is_whole = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (stream->got_head_) return finish_trailers(*stream);
    if (side == Side::server) {
        stream->got_head_ = true;
        return finish_request(*stream, is_whole);
    }
    finish_response(*stream, is_whole);
}

void H2Codec::Impl::finish_request(H2Stream& stream, bool is_whole) {
    const Error error = block.to_request(scratch.request, is_whole);
    if (error.reason != Reason::none) {
        return events.on_refused(
            stream, {.error = error, .is_whole = is_whole, .content_type = block.content_type()});
    }
    stream.is_websocket_ = scratch.request.is_upgrade;
    events.on_request(stream, scratch.request, is_whole);
}

void H2Codec::Impl::finish_response(H2Stream& stream, bool is_whole) {
    const Error error = block.to_response(scratch.response, stream.method_, is_whole);
    if (error.reason != Reason::none) {
        stream.got_head_ = true;
        return events.on_refused(stream, {.error = error, .is_whole = is_whole});
    }
    stream.got_head_ = scratch.response.status >= 200;
    // Any 2xx to a CONNECT says that the tunnel is there.
    if (stream.is_websocket_ && scratch.response.status / 100 == 2) {
        scratch.response.status = 101;
        scratch.response.phrase = reason_phrase(101);
        scratch.response.framing = Framing::none;
        scratch.response.is_upgrade = true;
        scratch.response.upgrade_protocol = kWebSocket;
    }
    events.on_response(stream, scratch.response, is_whole);
}

void H2Codec::Impl::finish_trailers(H2Stream& stream) {
    std::string lines;
    if (block.to_trailers(lines)) return events.on_end(stream, lines);
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream.id_, NGHTTP2_PROTOCOL_ERROR);
    touch();
}

int H2Codec::Impl::on_data(nghttp2_session* session,
                           std::uint8_t /*flags*/,
                           std::int32_t id,
                           const std::uint8_t* data,
                           std::size_t size,
                           void* user) {
    Impl& self = of(user);
    H2Stream* const stream = self.find(id);
    const bool is_told = stream != nullptr && !self.is_terminated;
    if (!is_told || self.side == Side::client) nghttp2_session_consume_connection(session, size);
    if (is_told) self.events.on_body(*stream, to_text(data, size));
    return 0;
}

int H2Codec::Impl::on_close(nghttp2_session* /*session*/,
                            std::int32_t id,
                            std::uint32_t code,
                            void* user) {
    Impl& self = of(user);
    H2Stream* const stream = self.find(id);
    if (stream == nullptr || stream->is_closed_) return 0;  // on_not_sent() has told of it
    stream->is_closed_ = true;
    self.clear_waiting(*stream);
    self.events.on_closed(*stream, static_cast<H2Code>(code));
    return 0;
}

// ---- what goes out

int H2Codec::Impl::on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Impl& self = of(user);
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
        case NGHTTP2_DATA:
            self.guard.count_data();
            [[fallthrough]];
        case NGHTTP2_HEADERS: {
            if (!is_end) break;
            H2Stream* const stream = self.find(frame->hd.stream_id);
            if (stream != nullptr && stream->resets_after_) {
                nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id_,
                                          NGHTTP2_NO_ERROR);
            }
            break;
        }
        case NGHTTP2_RST_STREAM: {
            const H2Stream* const stream = self.find(frame->hd.stream_id);
            const bool is_ours = stream != nullptr && stream->is_reset_;
            if (self.side == Side::server && !is_ours &&
                is_for_a_mistake(frame->rst_stream.error_code) && !self.guard.take_reset())
                self.fault(H2Fault::resets);
            break;
        }
        case NGHTTP2_GOAWAY:
            if (frame->goaway.error_code != NGHTTP2_NO_ERROR && !self.is_terminated) {
                self.is_terminated = true;
                self.events.on_fault(H2Fault::protocol, true);
            }
            break;
        default:
            break;
    }
    return 0;
}

// A request that never went out.
int H2Codec::Impl::on_not_sent(nghttp2_session* /*session*/,
                               const nghttp2_frame* frame,
                               int /*error*/,
                               void* user) {
    const bool is_request =
        frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if (!is_request) return 0;
    Impl& self = of(user);
    H2Stream* const stream = self.find(frame->hd.stream_id);
    if (stream == nullptr || stream->is_closed_) return 0;
    stream->is_closed_ = true;
    self.clear_waiting(*stream);
    self.events.on_closed(*stream, H2Code::refused_stream);
    return 0;
}

ssize_t H2Codec::Impl::read_data(nghttp2_session* session,
                                 std::int32_t /*id*/,
                                 std::uint8_t* /*buffer*/,
                                 std::size_t most,
                                 std::uint32_t* flags,
                                 nghttp2_data_source* source,
                                 void* user) {
    H2Stream& stream = *static_cast<H2Stream*>(source->ptr);
    const std::size_t there = stream.waiting() + stream.now_.size();
    const std::size_t size = std::min(there, most);
    if (size == 0 && !stream.has_ended_) return NGHTTP2_ERR_DEFERRED;
    if (size > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (size < there || !stream.has_ended_) return static_cast<ssize_t>(size);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!stream.trailers_.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        Impl& self = of(user);
        self.fields.clear();
        self.set_fields(stream.trailers_);
        self.to_pairs();
        nghttp2_submit_trailer(session, stream.id_, self.pairs.data(), self.pairs.size());
    }
    return static_cast<ssize_t>(size);
}

int H2Codec::Impl::send_data(nghttp2_session* /*session*/,
                             nghttp2_frame* frame,
                             const std::uint8_t* head,
                             std::size_t size,
                             nghttp2_data_source* source,
                             void* user) {
    constexpr std::size_t kFrameHead = 9;
    Impl& self = of(user);
    H2Stream& stream = *static_cast<H2Stream*>(source->ptr);
    self.out.append(to_text(head, kFrameHead));
    static_cast<void>(frame);  // never padded
    const std::size_t first = std::min(size, stream.waiting());
    self.out.append(stream.waiting_, stream.offset_, first);
    stream.offset_ += first;
    if (first > 0 && stream.waiting() == 0) {
        self.clear_waiting(stream);
        if (stream.was_waiting_) self.drained.push_back(&stream);
        stream.was_waiting_ = false;
    }
    const std::size_t second = size - first;
    self.out.append(stream.now_.substr(0, second));
    stream.now_.remove_prefix(second);
    return 0;
}

void H2Codec::Impl::clear_waiting(H2Stream& stream) {
    if (stream.waiting_.capacity() > kKeptCapacity) stream.waiting_ = {};
    stream.offset_ = 0;
    std::erase(drained, &stream);
}

// Of lines; tells the host among them.
std::string_view H2Codec::Impl::set_fields(std::string_view lines) {
    fields.clear();
    return to_fields(lines, scratch.names, fields);
}

void H2Codec::Impl::to_pairs() {
    pairs.clear();
    for (const H2Field& field : fields)
        pairs.push_back(pair(field.name, field.value));
}

void H2Codec::Impl::submit(H2Stream& stream, std::string_view head, bool ends, bool is_interim) {
    constexpr std::size_t kVersion = 9;  // "HTTP/1.1 "
    fields.clear();
    fields.push_back({":status", head.substr(kVersion, 3)});
    to_fields(head.substr(head.find("\r\n") + 2), scratch.names, fields);
    if (stream.is_websocket_ && fields.front().value == "101") {
        fields.front().value = "200";
        std::erase_if(fields, [](const H2Field& field) { return field.name == kWebSocketAccept; });
    }
    to_pairs();
    if (is_interim) {
        nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, stream.id_, nullptr, pairs.data(),
                               pairs.size(), nullptr);
    } else {
        nghttp2_data_provider body{.source = {.ptr = &stream}, .read_callback = &read_data};
        nghttp2_submit_response(session, stream.id_, pairs.data(), pairs.size(),
                                ends ? nullptr : &body);
    }
    touch();
}

void H2Codec::Impl::fault(H2Fault what) {
    const bool is_enforced = !(what == H2Fault::resets && limits.only_counts_resets) &&
                             !(what == H2Fault::glitches && limits.only_counts_glitches) &&
                             !(what == H2Fault::headers && limits.only_counts_headers);
    if (is_terminated) return;
    events.on_fault(what, is_enforced);
    if (is_enforced) end_with(NGHTTP2_ENHANCE_YOUR_CALM);
}

// Once a block.
void H2Codec::Impl::count_headers() {
    if (!std::exchange(is_block_counted, true)) fault(H2Fault::headers);
}

void H2Codec::Impl::end_with(std::uint32_t code) {
    if (std::exchange(is_terminated, true)) return;
    nghttp2_session_terminate_session(session, code);
    touch();
}

// The numbers between are lost for new streams (RFC 9113, 5.1.1). The library only ignores them;
// the last ones that were left out are remembered.
void H2Codec::Impl::open_id(std::int32_t id) {
    constexpr std::int32_t kStep = 2;
    if (id > last_id + kStep) {
        first_skipped = last_id + 1;
        past_skipped = id;
    }
    last_id = id;
}

void H2Codec::Impl::tell_drained() {
    while (!drained.empty()) {
        H2Stream& stream = *drained.back();
        drained.pop_back();
        events.on_drained(stream);
    }
}

}  // namespace weir::http
