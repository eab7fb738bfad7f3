# frozen_string_literal: true

# dalli, the client of Ruby on Rails. Run by dalli.t:
#
#   ruby dalli.rb binary|meta PORT PORT VERSION PID SOCKET
#
# VERSION and PID are the first server's; the last one listens on SOCKET alone. It
# marshals and compresses values, marking both in the flags, and within a block of multi
# sends quiet commands. It has the meta protocol from 3.2 on.
require 'dalli'
require 'json'
require 'logger'
Dalli.logger = Logger.new(nil)
$stdout.sync = true

PROTOCOL, FIRST, SECOND, VERSION, PID, SOCKET = ARGV
LARGE = 1000 * 1000                     # near the limit of 1 MiB
TOO_LARGE = 1024 * 1024 + 1
MAX64 = 2**64 - 1
# Every byte value, and words of the protocol where a careless parser would stop. In meta
# it is dalli's own that stops there, at a line end, up to 3.2 at least.
WORDS = "\r\nEND\r\nVALUE k 0 1\r\n\0\0\r\n".b
BYTES = ((0..255).to_a.pack('C*') + (PROTOCOL == 'meta' ? '' : WORDS)).freeze

def check(good, name, detail = nil)
  puts "#{good ? 'ok' : 'not ok'} - #{name}"
  puts detail.gsub(/^/, '# ') if !good && detail
  good
end

def same(got, want, name)
  check(got == want && got.class == want.class, name,
        "got  #{got.inspect[0, 300]}\nwant #{want.inspect[0, 300]}")
end

# The block fails with this error, whose text matches.
def fails(error, pattern, name)
  check(false, name, "it said #{yield.inspect[0, 300]}")
rescue error => e
  check(pattern.match?(e.message), name, "#{e.class}: #{e.message}")
end

# '@advance 2' and the like, for the harness to do.
def order(text)
  puts text
  $stdin.gets
end

def eventually(seconds = 10)
  deadline = Time.now + seconds
  until (answer = yield) || Time.now > deadline
    sleep 0.02
  end
  answer
end

# Of servers that want a login.
LOGIN = %i[username password].zip(ENV.fetch('CLIENT_LOGIN', '').split(' ', 2)).to_h.compact

def client(*servers, **options)
  servers = ["127.0.0.1:#{FIRST}"] if servers.empty?
  options[:protocol] = PROTOCOL.to_sym if PROTOCOL == 'meta'
  Dalli::Client.new(servers, { socket_timeout: 20, down_retry_delay: 0, **LOGIN, **options })
end

RAW = { raw: true }.freeze
SECTIONS = {}

def section(name, &block)
  SECTIONS[name] = block
end

section 'stores answer as each command should' do |mc|
  same(mc.get('k'), nil, 'a miss')
  check([0, nil, false].include?(mc.replace('k', 'r')), 'replace of nothing')
  check(!mc.append('k', 'r'), 'append to nothing')
  check(!mc.prepend('k', 'r'), 'prepend to nothing')
  same(mc.get('k'), nil, 'none of them stored')
  check(mc.add('k', 'one', 0, RAW), 'add of a new key')
  same(mc.add('k', 'two'), false, 'add of an old key')
  same(mc.get('k', RAW), 'one', 'which keeps its value')
  check(mc.replace('k', 'three', 0, RAW), 'replace of an old key')
  same(mc.append('k', '-end'), true, 'append')
  same(mc.prepend('k', 'start-'), true, 'prepend')
  same(mc.get('k', RAW), 'start-three-end', 'all in place')
  check(mc.delete('k'), 'delete')
  check(!mc.delete('k'), 'delete again')
  check(mc.set('k', '', 0, RAW), 'an empty value')
  same(mc.get('k', RAW), '', 'is not a missing one')
  mc.delete('k')
  same(mc.fetch('k', 600) { 'made' }, 'made', 'fetch makes what is missing')
  same(mc.fetch('k', 600) { raise 'not again' }, 'made', 'but once')
end

section 'values of any kind come back' do |mc|
  { 'text' => "gr\u00fc\u00df \u4e16", 'integer' => -12, 'wide' => 2**70, 'float' => 2.5,
    'true' => true, 'symbol' => :sym,
    'tree' => { a: [1, 2.5, nil], 'b' => { 1..2 => "\xff" } } }
    .each do |name, value|
      check(mc.set(name, value), "#{name} is set")
      same(mc.get(name), value, 'and comes back')
    end
  keeping = client(cache_nils: true)
  keeping.set('nil', nil)
  same(keeping.fetch('nil') { 'made' }, nil, 'nil is a value where that is asked for')
  json = client(serializer: JSON)
  json.set('json', { 'a' => [1, nil] })
  same(json.get('json'), { 'a' => [1, nil] }, 'another serializer')
end

section 'values of any bytes and sizes come back' do |mc|
  plain = client(compress: false)
  [0, 1, 255, 256, 16_384, 65_536, 524_288, LARGE].each do |size|
    value = (BYTES * (size / BYTES.bytesize + 1)).byteslice(0, size)
    check(plain.set('sized', value, 0, RAW), "#{size} bytes are set")
    same(plain.get('sized', RAW).b == value, true, 'and come back')
  end
  fails(Dalli::ValueOverMaxSize, /over max size/, 'more than 1 MiB never leaves') do
    plain.set('sized', 'x' * TOO_LARGE, 0, RAW)
  end
  daring = client(compress: false, value_max_bytes: 2 * TOO_LARGE)
  fails(Dalli::DalliError, /too large|SERVER_ERROR/, 'and would be refused') do
    daring.set('sized', 'x' * TOO_LARGE, 0, RAW)
  end
  same(mc.get('sized'), nil, 'which takes the old value away')
  text = 'squeeze me ' * 200_000
  check(mc.set('squeezed', text), '2 MB of text, compressed')
  same(mc.get('squeezed') == text, true, 'come back')
end

section 'keys may be long, unicode, spaced and prefixed' do |mc|
  longest = 'k' * 250
  check(mc.set(longest, 'longest'), 'a key of 250 bytes')
  mc.set('k' * 249, 'shorter')
  same(mc.get(longest), 'longest', 'differs from one of 249')
  check(mc.set("k#{longest}", 'hashed'), 'a longer one')
  same(mc.get("k#{longest}"), 'hashed', 'is hashed by the client')
  fails(ArgumentError, /blank/, 'an empty one never leaves') { mc.get('') }
  ["\u0142\u00f3d\u017a-\u{1F980}", 'with spaces', "with\nline ends\0"].each do |key|
    check(mc.set(key, key), "#{key.inspect} is set")
    same(mc.get(key), key, 'and found')
    found = mc.get_multi(key, 'none').transform_keys(&:b)
    same(found, { key.b => key }, 'also among others')
  end
  named = client(namespace: 'ns')
  named.set('k', 'named')
  same(named.get_multi('k', 'none'), { 'k' => 'named' }, 'a namespace is taken off again')
  same(mc.get('ns:k'), 'named', 'and was on the wire')
end

section 'compare and set notices a change' do |mc|
  same(mc.cas('missing') { 'v' }, nil, 'cas of nothing')
  mc.set('cas', 'one')
  check(mc.cas('cas') { |value| "#{value}-two" }, 'cas stores')
  same(mc.get('cas'), 'one-two', 'what the block makes')
  same(mc.cas('cas') { mc.set('cas', 'by another') && 'lost' }, false, 'a change since')
  same(mc.get('cas'), 'by another', 'wins')
  check(mc.cas!('new') { |value| value.inspect }, 'cas! stores')
  same(mc.get('new'), 'nil', 'also what was missing')
  value, cas = mc.get_cas('cas')
  same(value, 'by another', 'get_cas gives the value')
  check(cas.positive?, 'and a number')
  check(!mc.set_cas('cas', 'x', cas + 1), 'set_cas with another')
  check((cas = mc.set_cas('cas', 'three', cas)), 'with this one')
  check((cas = mc.replace_cas('cas', 'four', cas)), 'replace_cas with what it gives')
  same(mc.get_multi_cas('cas', 'none'), { 'cas' => ['four', cas] }, 'get_multi_cas')
  check(!mc.delete_cas('cas', cas + 1), 'delete_cas with another')
  check(mc.delete_cas('cas', cas), 'with this one')
  same(mc.get('cas'), nil, 'it is gone')
end

section 'counters begin where told, wrap and stop at nought' do |mc|
  same(mc.incr('n'), nil, 'incr of nothing')
  same(mc.decr('n'), nil, 'decr of nothing')
  same(mc.incr('n', 1, 600, 40), 40, 'incr with an initial value')
  same(mc.incr('n', 2, 600, 7), 42, 'which counts only once')
  same(mc.decr('n', 2), 40, 'decr')
  same(mc.decr('n', 100), 0, 'stops at nought')
  same(mc.decr('down', 1, 600, 9), 9, 'decr with an initial value')
  mc.set('n', MAX64.to_s, 0, RAW)
  same(mc.incr('n', 8), 7, 'incr wraps at 64 bits')
  same(mc.get('n', RAW).strip, '7', 'reads as the number')
  mc.set('n', 'five', 0, RAW)
  fails(Dalli::DalliError, /non-numeric|CLIENT_ERROR/, 'incr of a word') { mc.incr('n') }
  same(mc.get('n', RAW), 'five', 'leaves it')
  fails(ArgumentError, /Positive values only/, 'incr by less than nothing') do
    mc.incr('n', -1)
  end
end

section 'hundreds of keys go in one request' do |mc|
  values = (1..600).to_h { |i| ["many:#{i}:#{'x' * (i % 180)}", "#{i}," * (i % 40)] }
  missing = (1..300).map { |i| "many:missing:#{i}" }
  mc.multi { values.each { |key, value| mc.set(key, value) } }
  same(mc.get_multi(missing + values.keys), values, 'set in a block, 900 asked for')
  yielded = {}
  mc.get_multi(missing + values.keys) { |key, value| yielded[key] = value }
  same(yielded, values, 'and one by one')
end

section 'within a block of multi nobody waits' do |mc|
  mc.multi do
    mc.set('q', 'old')
    mc.add('q', 'lost')
    mc.add('q2', 'v')
    mc.replace('none', 'lost')
    mc.delete('none')
    mc.set('gone', 'v')
  end
  # Refusals are still unread: this library passes over them in a get_multi alone.
  same(mc.get_multi('q', 'q2', 'none'), { 'q' => 'old', 'q2' => 'v' }, 'set and add')
  mc.multi do
    mc.replace('q', 'new')
    mc.delete('gone')
  end
  same(mc.get_multi('q', 'gone'), { 'q' => 'new' }, 'replace and delete')
end

section 'expiry follows the time given' do |mc|
  now = Time.now.to_i
  { now + 1000 => 'a date to come', 30 * 86_400 => 'thirty days',
    30 * 86_400 + 1 => 'more, which the client makes a date' }.each do |ttl, name|
    check(mc.set('e', 'v', ttl), "#{name}: stored")
    same(mc.get('e'), 'v', 'and there')
  end
  %w[short prolonged gat].each { |key| mc.set(key, 'v', 2) }
  %w[shortened long].each { |key| mc.set(key, 'v') }
  client(expires_in: 2).set('by default', 'v')
  mc.add('added', 'v', 2)
  mc.incr('counted', 1, 2, 40)
  check(mc.touch('shortened', 2), 'touch')
  check(mc.touch('prolonged', 600), 'another one')
  check(!mc.touch('missing', 2), 'touch of nothing')
  same(mc.gat('gat', 600), 'v', 'gat gives the value')
  check(!mc.gat('missing', 600), 'and nothing for nothing')
  same(mc.get('short'), 'v', 'a value for two seconds is there at first')
  order '@advance 3'
  same(mc.get_multi('short', 'shortened', 'added', 'counted', 'by default'), {},
       'then it is gone')
  same(mc.get_multi('long', 'prolonged', 'gat').keys.sort, %w[gat long prolonged],
       'what lives longer is there')
end

section 'statistics and version are readable' do |mc|
  server = "127.0.0.1:#{FIRST}"
  before = mc.stats[server]
  same(before.values_at('pid', 'version', 'limit_maxbytes'),
       [PID, VERSION, (64 << 20).to_s], 'pid, version and limit')
  mc.set('s', 'v')
  mc.get('s')
  mc.get('missing')
  after = mc.stats[server]
  same(%w[cmd_set cmd_get get_hits get_misses total_items]
       .map { |name| after[name].to_i - before[name].to_i }, [1, 2, 1, 1, 1],
       'counters move by what was done')
  same(mc.stats(:settings)[server]['tcpport'], FIRST, 'settings')
  same(mc.version, { server => VERSION }, 'version')
  mc.reset_stats
  same(mc.stats[server]['cmd_set'], '0', 'reset')
  mc.alive!
  same(mc.get('s'), 'v', 'and the dialogue goes on')
end

section 'two servers share the keys' do |mc|
  ring = client("127.0.0.1:#{FIRST}:1", "127.0.0.1:#{SECOND}:2")
  stored = -> { ring.stats.values.map { |stats| stats['cmd_set'].to_i } }
  values = (1..400).to_h { |i| ["ring:#{i}", i] }
  before = stored.call
  values.each { |key, value| ring.set(key, value) }
  held = stored.call.zip(before).map { |after, n| after - n }
  check(held.sum == 400 && held[0] > 50 && held[1] > held[0], 'by weight', held.inspect)
  same(ring.get_multi(values.keys + ['missing']), values, 'get_multi asks both')
  same(ring.version.size, 2, 'both say their version')
  ring.flush
  same(ring.get_multi(values.keys), {}, 'flush takes them all')
  check(mc.set('f', 'w') && mc.get('f') == 'w', 'and spares what is stored after it')

  ring.close

  # Of equal weight: dalli looks twenty times by chance for a server that is there.
  ring = client("127.0.0.1:#{FIRST}", "127.0.0.1:#{SECOND}")
  order '@stop 1'
  taken = (1..40).all? do |i|
    eventually { ring.set("failed over:#{i}", i) rescue false }
  end
  check(taken, 'when one has gone, the other takes its keys')
  same((1..40).all? { |i| ring.get("failed over:#{i}") == i }, true, 'and gives them')
  order '@start 1'
  ring.close
end

section 'a unix socket serves as well' do
  local = client(SOCKET)
  check(local.set('u', BYTES), 'set')
  same(local.get('u'), BYTES, 'get')
end

section 'threads share a client' do |mc|
  mc.set('tally', '0', 0, RAW)
  (1..4).map { Thread.new { 100.times { mc.incr('tally') } } }.each(&:join)
  same(mc.get('tally', RAW), '400', 'none of their increments is lost')
end

section 'the client survives a restart' do |mc|
  mc.set('r', 'before')
  order '@restart 0'
  check(eventually { mc.set('r', 'after') rescue false }, 'it connects again')
  same(mc.get('r'), 'after', 'and works')
end

mc = client
SECTIONS.each do |name, run|
  puts "# #{name}"
  begin
    run.call(mc)
  rescue StandardError => e             # one section's death must not hide the next
    check(false, "#{name}: it runs to its end", e.full_message(highlight: false))
  end
end
puts '# done'
