#!/usr/bin/python3 -B
"""TLS: pymemcache and dalli, with a context of their language and the CA that it trusts.

Both verify the server, by its name; the server wants a certificate of them, too.
"""
import os
import shutil
import ssl
import subprocess
import tempfile

import harness
from harness import BINARY, LARGE, Server

base, hashing, errors = harness.need('pymemcache.client.base', 'pymemcache.client.hash',
                                     'pymemcache.exceptions')

CURVE = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'.split()
RUBY = '''
require 'dalli'
require 'logger'
Dalli.logger = Logger.new(nil)
context = OpenSSL::SSL::SSLContext.new
context.set_params(ca_file: ARGV[1] + '/ca.pem', verify_hostname: true)
if ARGV[2] == 'with'
  context.cert = OpenSSL::X509::Certificate.new(File.read(ARGV[1] + '/client.pem'))
  context.key = OpenSSL::PKey.read(File.read(ARGV[1] + '/client.key'))
end
mc = Dalli::Client.new('localhost:' + ARGV[0], ssl_context: context)
puts begin
  mc.set('ruby', 'v' * 900_000)
  mc.get('ruby') == 'v' * 900_000
rescue Dalli::DalliError, OpenSSL::SSL::SSLError => error
  error.class
end
'''


def openssl(*arguments):
    subprocess.run(['openssl', *arguments], check=True, capture_output=True)


def make_certificates(folder):
    for name in 'ca', 'server', 'client':
        path, ca = os.path.join(folder, name), os.path.join(folder, 'ca')
        signer = ['-x509'] if name == 'ca' else ['-x509', '-CA', ca + '.pem', '-CAkey', ca + '.key']
        openssl('req', *signer, *CURVE, '-subj', '/CN=' + name, '-keyout', path + '.key', '-out',
                path + '.pem', '-addext', 'subjectAltName=DNS:localhost')


def context(folder, certificate=True):
    made = ssl.create_default_context(cafile=os.path.join(folder, 'ca.pem'))
    if certificate:
        made.load_cert_chain(os.path.join(folder, 'client.pem'), os.path.join(folder, 'client.key'))
    return made


class Secure(Server):
    def __init__(self, folder):
        self.context = context(folder)
        super().__init__('-Z', '-o', f'ssl_chain_cert={folder}/server.pem,ssl_key={folder}/server.key,'
                         f'ssl_ca_cert={folder}/ca.pem,ssl_verify_mode=2')

    def connect(self):
        return self.context.wrap_socket(super().connect(), server_hostname='localhost')


def setup():
    folder = tempfile.TemporaryDirectory(prefix='larder-tls-')
    make_certificates(folder.name)
    return Secure(folder.name), folder


def each_kind_of_client_stores_and_reads(t, server, folder):
    address, options = ('localhost', server.port), {'tls_context': context(folder.name),
                                                    'default_noreply': False}
    for made in (base.Client(address, **options), base.PooledClient(address, **options),
                 hashing.HashClient([address], **options)):
        name = type(made).__name__
        values = {'k%d' % i: BINARY * i for i in range(200)}

        t.same(made.set_many(values), [], name + ': set_many')
        t.same(made.get_many(list(values)), values, 'get_many')
        t.same(made.set('large', b'l' * LARGE), True, 'a large value')
        t.same(made.get('large'), b'l' * LARGE, 'comes back')
        t.same(made.delete('large'), True, 'and goes')
        made.close()


def who_has_no_certificate_is_not_let_in(t, server, folder):
    bare = base.Client(('localhost', server.port), tls_context=context(folder.name, False))

    t.raises((OSError, errors.MemcacheError), lambda: bare.get('k1'), 'a context without one')
    t.same(server.wire(b'k1'), (0, BINARY), 'others go on')


def dalli_stores_and_reads(t, server, folder):
    if not shutil.which('ruby') or subprocess.run(['ruby', '-e', 'require "dalli"'],
                                                  capture_output=True).returncode:
        t.skip('dalli', 'not installed')
        return
    for given in 'with', 'without':
        run = subprocess.run(['ruby', '-e', RUBY, str(server.port), folder.name, given],
                             capture_output=True, text=True, timeout=60, check=False)
        said = run.stdout.strip()
        t.check(said == 'true' if given == 'with' else said.endswith('Error'),
                f'dalli {given} a certificate: {said}', run.stderr)


harness.run_each({'': setup},
                 each_kind_of_client_stores_and_reads,
                 who_has_no_certificate_is_not_let_in,
                 dalli_stores_and_reads)
