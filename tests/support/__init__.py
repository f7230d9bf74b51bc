"""What tests share: made-up data, stand-ins, a running application or service, what they read answers with."""
