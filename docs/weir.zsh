#compdef weir
# zsh completion for weir: source <(weir completion zsh)
_weir() {
    local -a words_here
    local verb=${words[2]}
    if (( CURRENT == 2 )); then
        words_here=(
            'run:Run the proxy (SIGHUP reloads, SIGTERM drains)'
            'demo:Watch Weir protect two toy services'
            'redirect:see weir redirect --help'
            'inject:Add a Weir to the pods of manifests'
            'injector:Serve the webhook that adds a Weir to pods'
            'status:How it does; process, listeners, clusters'
            'get:Show things; listeners, routes, clusters, ...'
            'discovery:Where endpoints come from, and how that goes'
            'certs:Certificates in use, and until when'
            'route:Which route a request takes, and why not each earlier one'
            'events:Breakers, ejections, discovery, reloads'
            'failures:The last failed requests, each with its story'
            'trace-export:Record each attempt, a JSON object a line, to simulate'
            'endpoints:Endpoints and their state; drain, eject and back'
            'breakers:Circuit breakers and their state'
            'breaker:One breaker; its history; force it'
            'log:How much it logs; more, for a time'
            'fault:Faults injected on purpose; list, add, remove'
            'registry:Endpoints that registered themselves; list, put, remove'
            'drain:Not ready from now on; requests are still served'
            'reload:Read the configuration file again'
            'check:Check a configuration; exit 0 if it is valid'
            'simulate:Play a scenario, or a recorded trace, on simulated time'
            'init:Write a first configuration, with comments'
            'fmt:Indent a configuration and mend what YAML refuses'
            'config:see weir config --help'
            'explain:What a reason word or a code means'
            'schema:JSON Schema of the configuration, for editors'
            'openapi:OpenAPI description of the admin API'
            'reference:The reference pages, as Markdown'
            'man:The manual page, for man -l -'
            'completion:Completion for a shell, to be sourced'
            'version:Print the version'
        )
        _describe 'verb' words_here
        return
    fi
    case $verb in
        config)
            if (( CURRENT == 3 )); then
                words_here=(
                    'dump:Write the configuration out; what is in force'
                    'explain:A value, where it comes from, what it hides'
                    'apply:Let a running Weir run this configuration'
                    'diff:What a reload from one to the other changes'
                )
                _describe 'verb' words_here
                return
            fi
            verb+=" ${words[3]}" ;;
        redirect)
            if (( CURRENT == 3 )); then
                words_here=(
                    'apply:Set the rules, in place of those set before'
                    'clean:Take all rules away'
                    'show:Print the rules that are set'
                )
                _describe 'verb' words_here
                return
            fi
            verb+=" ${words[3]}" ;;
    esac
    case $verb in
        'run')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --from --to --print-config --core-dumps --exit-with && return
            _files ;;
        'demo')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --once && return
            _files ;;
        'redirect apply')
            case ${words[CURRENT-1]} in
                --tool) compadd -- auto nft iptables; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --inbound-port --outbound-port --skip-inbound-ports --skip-outbound-ports --uid --print --tool && return
            _files ;;
        'redirect clean')
            case ${words[CURRENT-1]} in
                --tool) compadd -- auto nft iptables; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --tool && return
            _files ;;
        'redirect show')
            case ${words[CURRENT-1]} in
                --tool) compadd -- auto nft iptables; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --tool && return
            _files ;;
        'inject')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help -f --file --image --diff --uninject && return
            _files ;;
        'injector')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --cert --key --image --listen --telemetry && return
            _files ;;
        'status')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output -w --watch --ready --wait && return
            _files ;;
        'get')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output -w --watch && return
            compadd -- listeners routes clusters breakers certs config discovery events log memory ratelimits ;;
        'discovery')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output -w --watch && return
            _files ;;
        'certs')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output -w --watch && return
            _files ;;
        'route')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output -H --header --listener && return
            _files ;;
        'events')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output -f --follow -n --cluster && return
            _files ;;
        'failures')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output -n --cluster --route --reason -w --watch && return
            _files ;;
        'trace-export')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output --for -n --cluster && return
            _files ;;
        'endpoints')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output --for --reason --force -w --watch && return
            compadd -- drain undrain eject uneject ;;
        'breakers')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output -w --watch && return
            _files ;;
        'breaker')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output --for --reason -w --watch && return
            compadd -- open close auto ;;
        'log')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output --module --for && return
            compadd -- trace debug info warn error reset reopen ;;
        'fault')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output --route --delay --latency --abort --percent --for --reason && return
            compadd -- add remove ;;
        'registry')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output --ttl --weight --zone && return
            compadd -- put remove ;;
        'drain')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output --exit && return
            _files ;;
        'reload')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output && return
            _files ;;
        'check')
            case ${words[CURRENT-1]} in
                --format) compadd -- text json github; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --format --diff --admin --token-file --timeout && return
            _files ;;
        'simulate')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- text json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help -f --file --cluster --trace -o --output --html --svg --seed --for && return
            _files ;;
        'init')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --from --to -o --output --force && return
            _files ;;
        'fmt')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --write --check && return
            _files ;;
        'config dump')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- yaml json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --origin --defaults -o --output --admin --token-file --timeout && return
            _files ;;
        'config explain')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help -f --file --admin --token-file --timeout && return
            compadd -- version threads drain node.name node.zone limits.connections limits.header_size limits.headers limits.url limits.body limits.streams limits.resets limits.log_only limits.requests_per_connection limits.passthrough_addresses access_log.to access_log.format access_log.only access_log.sample access_log.fields access_log.redact access_log.buffer log.level log.format log.to admin.listen admin.token admin.hosts telemetry.listen telemetry.buckets telemetry.max_series errors.detail identity.cert identity.key identity.ca defaults.timeout.connect defaults.timeout.request defaults.timeout.total defaults.timeout.response_header defaults.timeout.idle defaults.timeout.stream_idle defaults.timeout.tcp_idle defaults.timeout.client_header defaults.timeout.handshake defaults.timeout.client_idle defaults.retry.mode defaults.retry.attempts defaults.retry.on defaults.retry.per_try_timeout defaults.retry.backoff defaults.retry.max_backoff defaults.retry.budget defaults.retry.budget_min defaults.retry.max_depth defaults.retry.methods defaults.retry.buffer defaults.retry.rescue defaults.retry.hedge_after defaults.breaker.mode defaults.breaker.scope defaults.breaker.consecutive_failures defaults.breaker.consecutive_for defaults.breaker.failure_rate defaults.breaker.window defaults.breaker.min_requests defaults.breaker.slow_call defaults.breaker.slow_rate defaults.breaker.stall_after defaults.breaker.open_for defaults.breaker.max_open_for defaults.breaker.half_open_requests defaults.breaker.successes_to_close defaults.breaker.probe_timeout defaults.breaker.failure_on defaults.outlier.mode defaults.outlier.consecutive_failures defaults.outlier.consecutive_local defaults.outlier.consecutive_for defaults.outlier.failure_rate defaults.outlier.window defaults.outlier.min_requests defaults.outlier.slow_call defaults.outlier.slow_rate defaults.outlier.throttle_rate defaults.outlier.compare defaults.outlier.compare_gap defaults.outlier.latency_factor defaults.outlier.stall_after defaults.outlier.interval defaults.outlier.min_peers defaults.outlier.peer_min_requests defaults.outlier.eject_for defaults.outlier.max_eject_for defaults.outlier.max_ejected defaults.outlier.min_ready defaults.outlier.half_open_requests defaults.outlier.successes_to_return defaults.outlier.ramp defaults.lb.policy defaults.lb.key defaults.lb.when_none_ready defaults.access_log.to defaults.access_log.format defaults.access_log.only defaults.access_log.sample defaults.access_log.fields defaults.access_log.redact defaults.access_log.buffer ;;
        'config apply')
            case ${words[CURRENT-1]} in
                -o|--output) compadd -- table wide json; return ;;
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help --admin --token-file --timeout -o --output --persist --if-match && return
            _files ;;
        'config diff')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help && return
            _files ;;
        'explain')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help && return
            _files ;;
        'schema')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help && return
            _files ;;
        'openapi')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help && return
            _files ;;
        'reference')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help && return
            compadd -- config metrics errors ;;
        'man')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help && return
            _files ;;
        'completion')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help && return
            compadd -- bash zsh fish ;;
        'version')
            case ${words[CURRENT-1]} in
            esac
            [[ $PREFIX == -* ]] && compadd -- -h --help && return
            _files ;;
    esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _weir; else compdef _weir weir; fi
