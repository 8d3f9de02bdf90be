//! One certificate authority per cluster, and the certificates that it signs.
//!
//! Keys are P-256 in PKCS#8, which both rustls and Go read.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// A certificate authority whose key is kept in the cluster's directory, so that any process that may read it can
/// make itself a user.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// Paths of a certificate and its private key.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, PKCS#8.
    pub key: PathBuf,
}

impl Authority {
    /// Makes a new authority, and writes it to `directory`.
    pub fn create(directory: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = authority_parameters().self_signed(&key)?;
        std::fs::create_dir_all(directory)?;
        write(&directory.join("ca.pem"), &certificate.pem())?;
        write(&directory.join("ca-key.pem"), &key.serialize_pem())?;
        Ok(Self::of(directory, key))
    }

    /// Opens an authority that [`Authority::create`] wrote.
    pub fn open(directory: &Path) -> Result<Self> {
        let path = directory.join("ca-key.pem");
        let pem = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::of(directory, KeyPair::from_pem(&pem)?))
    }

    // An issuer is its name and its key: both are known here without parsing the certificate.
    fn of(directory: &Path, key: KeyPair) -> Self {
        Self { directory: directory.to_owned(), issuer: Issuer::new(authority_parameters(), key) }
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// A serving certificate for 127.0.0.1 and `localhost`.
    pub fn server(&self, name: &str) -> Result<Identity> {
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned()])?;
        parameters.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        parameters.distinguished_name = distinguished_name(name, None);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(name, parameters)
    }

    /// A client certificate. To Kubernetes its common name is the user and its organisation is the group.
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Identity> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = distinguished_name(user, group);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&user.replace([':', '/'], "-"), parameters)
    }

    fn sign(&self, file: &str, mut parameters: CertificateParams) -> Result<Identity> {
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.issuer)?;
        let identity = Identity {
            certificate: self.directory.join(format!("{file}.pem")),
            key: self.directory.join(format!("{file}-key.pem")),
        };
        write(&identity.certificate, &certificate.pem())?;
        write(&identity.key, &key.serialize_pem())?;
        Ok(identity)
    }
}

/// A key pair without certificate, with which the API server signs service account tokens.
#[derive(Debug)]
pub struct ServiceAccountKey {
    /// The private key.
    pub private: PathBuf,
    /// The public key.
    pub public: PathBuf,
}

impl ServiceAccountKey {
    /// Makes a new key pair in `directory`.
    pub fn create(directory: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let paths =
            Self { private: directory.join("service-account-key.pem"), public: directory.join("service-account.pem") };
        write(&paths.private, &key.serialize_pem())?;
        write(&paths.public, &key.public_key_pem())?;
        Ok(paths)
    }
}

fn authority_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = distinguished_name("flippy-e2e", None);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

// One group and not several: rcgen's names hold at most one organisation.
fn distinguished_name(user: &str, group: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, user);
    if let Some(group) = group {
        name.push(DnType::OrganizationName, group);
    }
    name
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
